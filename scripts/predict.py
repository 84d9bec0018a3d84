"""Score new people with a bundle or with a registry's champion."""

import sys
from pathlib import Path

from cohorts.errors import InputError, raise_if
from scripts.command_line import config_text, run, say


def predict(
    model: Path,
    cohort: str,
    out: Path,
    data: Path | None = None,
    absent: str = "",
    conformal: float | None = None,
    abstain_budget: float | None = None,
    undecided: float = 0.5,
    spread: bool = False,
) -> None:
    """Score new people with any subset of modalities.

    Label, roles, site and sensitive features are not read.

    Args:
        model: Bundle, folder that finetune made, or registry (its champion is used, unless its waiver has
            expired).
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: File to make, .csv or .parquet, with the columns subject_id, score and pattern, and those asked for below.
        data: Folder that holds the tables of the spec; not needed for synthetic.
        absent: Modalities that nobody here has, separated by commas; their tables and columns need not exist.
        conformal: Adds the column `set`: the labels that cannot be ruled out (negative, positive, both, none), so that
            at most about this share of people like those tuned on has a set without their own label.
        abstain_budget: Adds the column `abstain`: True for this share of the people, those nearest to undecided, who
            are left to a human.
        undecided: Score that is furthest from a decision: the operating point, where one was fixed.
        spread: Adds the column `spread`: the standard deviation of the scores of the ensemble's members, each of which
            was trained without a fourth of the people.

    Example:
        python scripts/predict.py --model runs/demo/registry --cohort synthetic --out scores.csv
        --absent imaging,wearable
    """
    options = dict(locals())
    raise_if(_problems(conformal, abstain_budget, undecided))
    import pandas as pd

    from cohorts.files import TABLE_ENDINGS, write_table, write_whole
    from cohorts.readers import read_cohort
    from cohorts.spec import load_spec
    from lightning_modules.bundle import check_same_inputs, load_bundle
    from lightning_modules.conformal import nearest_to_undecided
    from lightning_modules.manifest import find_bundle, verify_bundle
    from lightning_modules.scoring import label_sets, score, spread_of
    from validation.registry import Registry

    if out.suffix not in TABLE_ENDINGS:
        raise InputError(f"out {out}: must end in {' or '.join(TABLE_ENDINGS)}")
    if out.exists():
        raise InputError(f"out {out}: already there, and would be overwritten; choose another --out, or remove it")
    spec = load_spec(cohort)
    bundle = load_bundle(Registry(model, verify_bundle).bundle_in_use() or find_bundle(model))
    check_same_inputs(bundle, spec)
    people = read_cohort(spec, data, labelled=False, absent=frozenset(filter(None, absent.split(","))))
    for note in [*people.notes, *bundle.preprocessing.unlike_training(people)]:
        say(f"note: {note}")
    scores = score(bundle, people)
    columns = {"subject_id": people.subject_id, "score": scores, "pattern": people.pattern}
    if conformal is not None:
        columns["set"] = label_sets(bundle, people, scores, conformal)
    if abstain_budget is not None:
        columns["abstain"] = nearest_to_undecided(scores, abstain_budget, undecided)
    if spread:
        columns["spread"] = spread_of(bundle, people)
    write_table(out, pd.DataFrame(columns))
    write_whole(out.with_suffix(".config.yaml"), config_text(options))
    say(f"predict: {len(people)} people scored with bundle {bundle.digest[:12]}; scores in {out}")


def _problems(conformal: float | None, abstain_budget: float | None, undecided: float) -> list[str]:
    problems = [
        f"{name}: must be between 0 and 1, exclusive (value: {value})"
        for name, value in (("conformal", conformal), ("undecided", undecided))
        if value is not None and not 0 < value < 1
    ]
    if abstain_budget is not None and not 0 <= abstain_budget <= 1:
        problems.append(f"abstain_budget: must be between 0 and 1 (value: {abstain_budget})")
    return problems


def main() -> None:
    """Command line."""
    sys.exit(run(predict))


if __name__ == "__main__":
    main()
