"""Judge a model, or predictions that another tool made, on the held-out cohort: predictions, decision and report."""

import sys
from pathlib import Path
from typing import Any

from cohorts.errors import raise_if
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.stage import open_stage

OF_A_MODEL = ("model", "controls", "data", "held_out_site", "held_out_data")
OF_PREDICTIONS = ("threshold", "champion_threshold")


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
        compare: Two decision.json, to be put beside each other: how the models differ on the same held-out subjects,
            paired, and where the verdicts differ; nothing is judged or written.
        explain: Say each rule of the policy in a sentence, and do nothing else.
        dashboard: Where the run can be followed.

    Example:
        python scripts/validate.py --cohort synthetic --model runs/finetuned --controls.scratch runs/scratch
        --controls.pooled runs/pooled --out runs/judged
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
    raise_if(_problems(options))
    assert out is not None
    judge_it = _of_predictions if predictions else _of_model
    decision = judge_it(out, rules, options)
    return told(decision, out)


def told(decision: dict[str, Any], out: Path) -> str:
    """Say what was decided, and why; the verdict."""
    from scripts.judging import REPORT
    from validation.decision import reasons

    say(f"validate: {decision['verdict']}; report in {out / REPORT}")
    for note in decision["notes"]:
        say(f"  note: {note}")
    for reason in reasons(decision):
        say(f"  {reason}")
    return str(decision["verdict"])


def _problems(options: dict[str, Any]) -> list[str]:
    """What was not given, or does not belong together."""
    given = {name for name, value in options.items() if value is not None}
    if {"predictions", "model"} <= given:
        return ["validate: give --model or --predictions, not both"]
    of = "predictions" if "predictions" in given else "model"
    needed = {"model": ["cohort", "model", "out"], "predictions": ["out"]}[of]
    strangers = {"model": OF_PREDICTIONS, "predictions": OF_A_MODEL[1:]}[of]
    lacking = [
        f"validate: --{name} is needed; `validate --help` has an example" for name in needed if name not in given
    ]
    return lacking + [f"validate: --{name} does not belong to --{of}" for name in strangers if name in given]


def _of_model(out: Path, rules: Any, options: dict[str, Any]) -> dict[str, Any]:
    from scripts.case import load_case, unasked_controls
    from scripts.judging import DECISION, judge

    controls = options["controls"] or {}
    raise_if(unasked_controls(rules, controls))
    places = {name: options[name] for name in ("held_out_site", "held_out_data", "registry")}
    case = load_case(options["cohort"], options["data"], options["model"], controls, **places)
    stage = open_stage(out, DECISION, options, case.depends_on(rules))
    if stage.done:
        return _done(out, options, case.held_out.fingerprint)
    return judge(stage, case, rules, **_around(options))


def _of_predictions(out: Path, rules: Any, options: dict[str, Any]) -> dict[str, Any]:
    from scripts.judging import DECISION
    from scripts.judging_predictions import depends_on, judge_given, load_given

    thresholds = options["threshold"], options["champion_threshold"]
    given = load_given(options["predictions"], options["cohort"], rules, *thresholds)
    stage = open_stage(out, DECISION, options, depends_on(given, rules))
    if stage.done:
        return _done(out, options, given.fingerprint)
    return judge_given(stage, given, rules, **_around(options))


def _done(out: Path, options: dict[str, Any], held_out: str) -> dict[str, Any]:
    """The decision that is there; a kill may have come before its outcome was written down."""
    from scripts.judging import DECISION
    from scripts.looks import tell_outcome
    from validation.decision import read_decision

    say(f"validate: already done, in {out}")
    decision = read_decision(out / DECISION)
    tell_outcome(options["registry"], options["key"], held_out, decision)
    return decision


def _around(options: dict[str, Any]) -> dict[str, Any]:
    return {"options": options, **{name: options[name] for name in ("registry", "key", "dashboard")}}


def main() -> None:
    """Command line."""
    sys.exit(run(validate))


if __name__ == "__main__":
    main()
