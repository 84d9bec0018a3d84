"""How far our networks are from the best score that there is, on cohorts whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohorts.errors import raise_if
from lightning_modules.config import TrainingOptions, check_options
from scripts.command_line import say

if TYPE_CHECKING:
    import numpy as np

    from cohorts.cohort import Cohort

MODALITIES: dict[str, Any] = {"labs": "tabular", "questionnaire": "tabular", "vitals": "events", "omics": "embedding"}
LEAST_SHARE = 0.05


def regret(
    out: Path,
    num_sparse: tuple[int, ...] = (100, 300, 1000, 3000, 10000),
    num_rich: int = 2000,
    num_held_out: int = 6000,
    repeats: int = 1,
    models: str = "attention,scratch,pooled,logistic",
    training: TrainingOptions = TrainingOptions(),
) -> None:
    """Measure the distance to the Bayes score, by pattern, as the sparse cohort grows.

    The cohorts are synthetic, with absence by sex and age; all sizes of a repeat share one truth, its rich and its
    held-out subjects, on whom regret is measured: AUROC that is missing, and log loss that is too much. A run that was
    stopped goes on, from the folder beside --out.

    Args:
        out: JSON file to write; a figure of the same name, .svg, is written beside it.
        num_sparse: Numbers of sparse subjects, a fifth of whom are tuned on.
        num_rich: Rich subjects.
        num_held_out: Subjects on whom regret is measured.
        repeats: How many truths are drawn; the seed of truth and networks is the number of the repeat.
        models: Names, as of the benchmark of quality, separated by commas.
        training: How long and how fast networks train, in every stage.

    Example:
        python scripts/benchmark.py regret --out regret.json --repeats 3
    """
    check_options(training)
    numbers = [("repeats", 1, repeats), ("num_rich", 50, num_rich), ("num_held_out", 50, num_held_out)]
    numbers += [("num_sparse", 50, number) for number in num_sparse or [0]]
    raise_if([f"{name}: must be at least {low} (value: {value})" for name, low, value in numbers if value < low])
    from dataclasses import asdict, replace

    from cohorts.files import canonical_json, digest_of_text, read_json, write_whole
    from scripts.benchmarks.baselines import BASELINES
    from scripts.benchmarks.figure import draw_regret
    from scripts.benchmarks.networks import NETWORKS, code_digest
    from scripts.benchmarks.outcome import this_machine

    chosen, known = [name for name in models.split(",") if name], [*NETWORKS, *BASELINES]
    raise_if([f"models: {name} is none of {', '.join(known)}" for name in chosen if name not in known])
    folder, runs = out.with_suffix(".cache"), []
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(repeats):
        people, bayes = _draw(max(num_sparse), num_rich, num_held_out, seed)
        for number in sorted(num_sparse):
            for name in chosen:
                parts = [seed, number, name, num_rich, num_held_out, max(num_sparse), asdict(training), code_digest()]
                place = folder / f"{digest_of_text(canonical_json(parts))[:24]}.json"
                if not place.exists():
                    found = _one(people, bayes, number, name, replace(training, seed=seed))
                    write_whole(place, canonical_json({"seed": seed, "num_sparse": number, "model": name, **found}))
                runs.append(read_json(place, "the figures of a benchmark"))
                said = "{auroc_regret:.4f} AUROC short, {log_loss_regret:.4f} log loss over"
                say(f"repeat {seed}, {number} sparse: {name} {said.format(**runs[-1]['overall'])}")
    options = {"num_sparse": list(num_sparse), "num_rich": num_rich, "num_held_out": num_held_out, "repeats": repeats}
    described = {"modalities": MODALITIES, **options, "training": asdict(training), "machine": this_machine()}
    write_whole(out, canonical_json({"benchmark": "regret", **described, "curve": curve(runs), "runs": runs}))
    write_whole(out.with_suffix(".svg"), draw_regret(runs, curve(runs)))


def curve(runs: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Model to number of sparse subjects to mean regret over the repeats: overall, and of the worst pattern."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, number in {(run["model"], run["num_sparse"]): None for run in runs}:
        mine = [run for run in runs if (run["model"], run["num_sparse"]) == (name, number)]
        worst = [max(part["auroc_regret"] for part in run["by_pattern"].values()) for run in mine]
        found.setdefault(name, {})[str(number)] = {
            "auroc_regret": round(sum(run["overall"]["auroc_regret"] for run in mine) / len(mine), 4),
            "log_loss_regret": round(sum(run["overall"]["log_loss_regret"] for run in mine) / len(mine), 4),
            "worst_pattern_auroc_regret": round(sum(worst) / len(mine), 4),
        }
    return found


def _draw(num_sparse: int, num_rich: int, num_held_out: int, seed: int) -> tuple["Cohort", "np.ndarray"]:
    """A cohort in memory, and the Bayes score of each of its subjects."""
    from tempfile import TemporaryDirectory

    import pandas as pd

    from cohorts.readers import read_cohort
    from cohorts.spec import load_spec
    from cohorts.synthetic.design import SyntheticDesign
    from cohorts.synthetic.population import bayes_scores
    from cohorts.synthetic.tables import write_cohort

    total = num_sparse + num_rich + num_held_out
    design = SyntheticDesign(
        num_subjects=total,
        rich_share=num_rich / total,
        held_out_share=num_held_out / total,
        modalities=MODALITIES,
        seed=seed,
    )
    with TemporaryDirectory() as folder:
        truth = write_cohort(Path(folder), design)
        people = read_cohort(load_spec(str(Path(folder) / "cohort.yaml")), Path(folder))
    scores = pd.Series(bayes_scores(truth), index=truth.subject_id)
    return people, scores.loc[people.subject_id].to_numpy()


def _one(
    people: "Cohort", bayes: "np.ndarray", num_sparse: int, name: str, training: TrainingOptions
) -> dict[str, Any]:
    """Train one model with so many sparse subjects, and measure its regret on all held-out ones."""
    import numpy as np

    from cohorts.splits import make_split
    from scripts.benchmarks.baselines import BASELINES, fit_baseline
    from scripts.benchmarks.measures import regrets
    from scripts.benchmarks.networks import fit_network

    rng = np.random.default_rng([training.seed, 6])
    sparse = rng.permutation(np.flatnonzero(people.role == "sparse"))  # the smaller cohort is part of the larger one
    used = np.concatenate([np.flatnonzero(people.role != "sparse"), sparse[:num_sparse]])
    used.sort()
    some, best = people.take(used), bayes[used]
    split = make_split(some)
    if name in BASELINES:
        predict, _ = fit_baseline(name, some, split, training.seed)
    else:
        predict = fit_network(name, some, split, training)
    rows = np.flatnonzero(some.role == "held_out")
    score = predict(rows, some.presence[rows])
    found: dict[str, Any] = {"overall": regrets(some.label[rows], score, best[rows]), "by_pattern": {}}
    for pattern in np.unique(some.pattern[rows].astype(str)):
        mine = some.pattern[rows] == pattern
        if mine.mean() >= LEAST_SHARE:
            of_pattern = regrets(some.label[rows][mine], score[mine], best[rows][mine])
            found["by_pattern"][pattern] = {"share": round(float(mine.mean()), 3), **of_pattern}
    return found
