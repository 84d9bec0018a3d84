"""Judge a model, or predictions that another tool made, on the held-out cohort: predictions, decision and report."""

import sys
from pathlib import Path

from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions


def validate(
    cohort: str | None = None,
    model: Path | None = None,
    out: Path | None = None,
    policy: str = "screening",
    controls: dict[str, Path] | None = None,
    data: Path | None = None,
    held_out_site: str | None = None,
    held_out_data: Path | None = None,
    predictions: Path | None = None,
    threshold: float | None = None,
    champion_threshold: float | None = None,
    registry: Path | None = None,
    key: Path | None = None,
    mitigate: list[str] | None = None,
    reweighed: dict[str, Path] | None = None,
    compare: list[str] | None = None,
    explain: bool = False,
    dashboard: DashboardOptions = DashboardOptions(),
) -> str | None:
    """Judge a model on the held-out cohort, with a bias audit, by the checks of a policy.

    Give --model with --cohort, or --predictions for those of another tool; checks that need the model are then NOT
    APPLICABLE. Writes predictions.parquet, operating_point.json, decision.json and report.html. Exit code: 0 PASS, 2
    bad input, 3 FAIL, 4 INSUFFICIENT, 5 ERROR.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012);
            with --predictions, whose label and declared groups they have, if any.
        model: Folder that finetune made, or a bundle.
        out: Folder to make: predictions, operating point, decision, report, resolved config and dashboard run.
        policy: Path of a policy, or name of a shipped one (screening, strict).
        controls: Name of a control to the folder that finetune made for it. The shipped policies ask for scratch
            (finetune without --pretrained) and pooled (the same with --transfer.replay_weight 1).
        data: Folder that holds the tables of the spec; not needed for synthetic.
        held_out_site: Site to hold out instead of the spec's held-out cohort, for leave-one-site-out.
        held_out_data: Folder with tables of the same layout, all of whose people are judged on instead of the held-out
            cohort: a later year, or another hospital.
        predictions: Parquet or CSV with subject_id, label (0 or 1) and score (0 to 1), one row a subject; and if there
            are, part (tuning or held_out), site, pattern (such as labs+ecg), sensitive.NAME, weight, control.NAME,
            baseline.NAME and champion.
        threshold: Operating point of these predictions, where it was fixed before.
        champion_threshold: Operating point of the column champion.
        registry: Registry whose champion the model is compared with, and whose ledger counts who has looked at the
            held-out cohort; a policy with a budget of looks needs one.
        key: File of the private key of a signed registry.
        mitigate: Sensitive features by which fairlearn's ThresholdOptimizer is fitted to the tuning people; the report
            shows what thresholds of their own would do to every group, and the verdict stays the model's.
        reweighed: Sensitive feature to the folder that finetune made with --transfer.reweigh FEATURE; the report shows
            its rates beside the model's.
        compare: Two decision.json, to be put beside each other: how the models differ on the same held-out subjects,
            paired, and where the verdicts differ; nothing is judged or written.
        explain: Say each rule of the policy in a sentence, and do nothing else.
        dashboard: Where the run can be followed.

    Example:
        python scripts/validate.py --cohort synthetic --model runs/finetuned --controls.scratch runs/scratch
        --controls.pooled runs/pooled --registry runs/registry --out runs/judged
    """
    options = dict(locals())
    from validation.policy import load_policy

    rules = load_policy(policy)
    if explain:
        for line in rules.explained():
            say(line)
        return None
    if compare:
        from scripts.two_decisions import tell_apart

        tell_apart(compare)
        return None
    from scripts.judging import judge_what_is_given

    return judge_what_is_given(rules, options)


def main() -> None:
    """Command line."""
    sys.exit(run(validate))


if __name__ == "__main__":
    main()
