"""Judge a model on the held-out cohort: predictions, decision and report."""

import sys
from pathlib import Path

from cohorts.errors import raise_if
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.stage import open_stage


def validate(
    cohort: str,
    model: Path,
    out: Path,
    policy: str = "screening",
    controls: dict[str, Path] | None = None,
    data: Path | None = None,
    held_out_site: str | None = None,
    held_out_data: Path | None = None,
    dashboard: DashboardOptions = DashboardOptions(),
) -> str:
    """Judge a model on the held-out cohort, with a bias audit, by the checks of a policy.

    Writes predictions.parquet, operating_point.json, decision.json and report.html. Exit code: 0 PASS, 2 bad input,
    3 FAIL, 4 INSUFFICIENT, 5 ERROR.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        model: Folder that finetune made, or a bundle.
        out: Folder to make: predictions, operating point, decision, report, resolved config and dashboard run.
        policy: Path of a policy, or name of a shipped one (screening).
        controls: Name of a control to the folder that finetune made for it. The shipped policy asks for scratch
            (finetune without --pretrained) and pooled (the same with --transfer.replay_weight 1).
        data: Folder that holds the tables of the spec; not needed for synthetic.
        held_out_site: Site to hold out instead of the spec's held-out cohort, for leave-one-site-out.
        held_out_data: Folder with tables of the same layout, all of whose people are judged on instead of the held-out
            cohort: a later year, or another hospital.
        dashboard: Where the run can be followed.

    Example:
        python scripts/validate.py --cohort synthetic --model runs/finetuned --controls.scratch runs/scratch
        --controls.pooled runs/pooled --out runs/judged
    """
    options = dict(locals())
    from scripts.case import load_case, unasked_controls
    from scripts.judging import DECISION, REPORT, judge
    from validation.decision import read_decision, reasons
    from validation.policy import load_policy

    rules = load_policy(policy)
    raise_if(unasked_controls(rules, controls or {}))
    case = load_case(cohort, data, model, controls or {}, held_out_site=held_out_site, held_out_data=held_out_data)
    stage = open_stage(out, DECISION, options, case.depends_on(rules))
    if stage.done:
        say(f"validate: already done, in {out}")
        decision = read_decision(out / DECISION)
    else:
        decision = judge(stage, case, rules, dashboard=dashboard, options=options)
    say(f"validate: {decision['verdict']}; report in {out / REPORT}")
    for note in decision["notes"]:
        say(f"  note: {note}")
    for reason in reasons(decision):
        say(f"  {reason}")
    return str(decision["verdict"])


def main() -> None:
    """Command line."""
    sys.exit(run(validate))


if __name__ == "__main__":
    main()
