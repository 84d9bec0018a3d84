"""How good our networks are beside what a user would take instead, on the same splits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohorts.errors import raise_if
from lightning_modules.config import TrainingOptions, check_options
from scripts.command_line import say

if TYPE_CHECKING:
    from cohorts.cohort import Cohort
    from scripts.benchmarks.plans import Plan
    from scripts.benchmarks.results import Results


def quality(
    cohort: str,
    out: Path,
    data: Path | None = None,
    folds: int = 5,
    repeats: int = 1,
    only: int | None = None,
    by_site: bool = False,
    join_held_out: bool = False,
    num_sparse: int | None = None,
    models: str = "",
    training: TrainingOptions = TrainingOptions(),
) -> None:
    """Compare our networks, their controls and tuned baselines on the same splits, with paired differences to ours.

    Repeated k-fold over the sparse cohort: the rich one is added to training, and the held-out cohort is scored too. A
    run that was stopped goes on with the next model, from the folder beside --out. --out keeps its figures of other
    cohorts and splits; those of these are replaced.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: JSON file to write; a figure of the same name, .svg, is written beside it.
        data: Folder that holds the tables of the spec.
        folds: Folds of the sparse cohort.
        repeats: How often they are drawn; the seed of every model is the number of the repeat.
        only: Stop after so many splits.
        by_site: Hold out one site at a time instead.
        join_held_out: Make the held-out cohort part of the sparse one.
        num_sparse: Give the models only so many sparse subjects of each split, tuning included.
        models: Names, separated by commas, instead of all.
        training: How long and how fast our networks train, in every stage.

    Example:
        python scripts/benchmark.py quality --cohort heart_disease --data DIR --out quality.json --join_held_out
    """
    check_options(training)
    raise_if(
        [
            f"{name}: must be at least {low} (value: {value})"
            for name, low, value in (("folds", 2, folds), ("repeats", 1, repeats), ("only", 1, only or 1))
            if value < low
        ]
    )
    from scripts.benchmarks.plans import make_plans, read_people, with_fewer_sparse
    from scripts.benchmarks.results import Results, known_models, missing_libraries
    from scripts.benchmarks.summary import write_results

    chosen = [name for name in models.split(",") if name] or list(known_models())
    raise_if(
        [f"models: {name} is none of {', '.join(known_models())}" for name in chosen if name not in known_models()]
    )
    raise_if(missing_libraries(chosen))
    people = read_people(cohort, data, join_held_out=join_held_out)
    plans = make_plans(people, folds, repeats, by_site=by_site)[:only]
    if num_sparse is not None:
        plans = [with_fewer_sparse(plan, people, num_sparse) for plan in plans]
    out.parent.mkdir(parents=True, exist_ok=True)
    results = Results(out.with_suffix(".cache"), people, training)
    for number, plan in enumerate(plans, 1):
        for name in chosen:
            if not results.done(plan, name):
                _one(people, plan, name, training, results)
            found = results.measures(plan, name)["test", "natural"]
            said = f"AUROC {found['auroc']:.4f}, Brier {found['brier']:.4f}"
            say(f"{number}/{len(plans)} {plan.name}: {name} {said}, {results.seconds(plan, name):.1f} s")
    words = [f"python scripts/benchmark.py quality --cohort {people.spec.name} --data DIR --out FILE --folds {folds}"]
    words += [f"--repeats {repeats}"] + [f"--only {only}"] * (only is not None)
    words += [f"--num_sparse {num_sparse}"] * (num_sparse is not None)
    words += ["--by_site"] * by_site + ["--join_held_out"] * join_held_out + [f"--models {','.join(chosen)}"]
    described = {
        "cohort": people.spec.name,
        "splits": "one site at a time" if by_site else f"{folds}-fold",
        "repeats": repeats,
        "held_out_joins_sparse": join_held_out,
        "num_sparse": num_sparse,
        "command": " ".join(words),
    }
    write_results(out, results, plans, chosen, described)


def _one(people: "Cohort", plan: "Plan", name: str, training: TrainingOptions, results: "Results") -> None:
    """Fit one model to one split, score everything, and keep what came out."""
    import time
    from dataclasses import replace

    from scripts.benchmarks.baselines import BASELINES, fit_baseline
    from scripts.benchmarks.networks import fit_network
    from scripts.benchmarks.results import AVERAGED, reset_peak
    from scripts.benchmarks.streamed import peak_megabytes

    if name in AVERAGED:
        for part in AVERAGED[name]:
            if not results.done(plan, part):
                _one(people, plan, part, training, results)
        results.average(plan, name)
        return
    reset_peak()
    start = time.perf_counter()
    setting: dict[str, Any] = {}
    if name in BASELINES:
        predict, setting = fit_baseline(name, people, plan.split, plan.seed)
    else:
        predict = fit_network(name, people, plan.split, replace(training, seed=plan.seed))
    seconds, kept = time.perf_counter() - start, plan.kept(people)
    scores = {key: predict(plan.tested[key[0]], presence) for key, presence in kept.items()}
    about = {"seconds": round(seconds, 2), "peak_megabytes": round(peak_megabytes()), "setting": setting}
    results.keep(plan, name, scores, about)
