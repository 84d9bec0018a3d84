"""What validate was asked to judge, a model or predictions of another tool; and how it tells what was decided."""

from pathlib import Path
from typing import Any

from cohorts.errors import raise_if
from cohorts.files import digest_of_file, write_whole
from scripts.command_line import say
from scripts.stage import open_stage
from validation.policy import Policy

OF_A_MODEL = ("controls", "data", "held_out_site", "held_out_data", "mitigate", "reweighed")
OF_PREDICTIONS = ("threshold", "champion_threshold")


def judge_what_is_given(rules: Policy, options: dict[str, Any]) -> str:
    """Judge by the options of validate, or find that it is done, and tell.

    Returns:
        The verdict.

    Raises:
        InputError: Something is missing, does not belong together, or cannot be judged.
    """
    raise_if(_problems(options))
    out: Path = options["out"]
    judge = _of_predictions if options["predictions"] else _of_model
    return _told(judge(out, rules, options), out)


def _told(decision: dict[str, Any], out: Path) -> str:
    """Say what was decided, and why; the verdict."""
    from scripts.judging import REPORT
    from validation.decision import reasons

    say(f"validate: {decision['verdict']}; report in {out / REPORT}")
    for note in decision["notes"]:
        say(f"  note: {note}")
    idle = sum(finding["verdict"] == "NOT APPLICABLE" for finding in decision["findings"])
    if idle:
        say(f"  note: {idle} findings are NOT APPLICABLE, so the verdict does not rest on them; the report says why")
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
    strangers = {"model": OF_PREDICTIONS, "predictions": OF_A_MODEL}[of]
    lacking = [
        f"validate: --{name} is needed; `validate --help` has an example" for name in needed if name not in given
    ]
    return lacking + [f"validate: --{name} does not belong to --{of}" for name in strangers if name in given]


def _of_model(out: Path, rules: Policy, options: dict[str, Any]) -> dict[str, Any]:
    from scripts.case import load_case, unasked_controls
    from scripts.judging import DECISION, judge
    from scripts.mitigations import unknown_features

    controls = options["controls"] or {}
    raise_if(unasked_controls(rules, controls))
    places = {name: options[name] for name in ("held_out_site", "held_out_data", "registry", "reweighed")}
    case = load_case(options["cohort"], options["data"], options["model"], controls, **places)
    raise_if(unknown_features(case, options["mitigate"] or ()))
    stage = open_stage(out, DECISION, options, case.depends_on(rules))
    if stage.done:
        return _done(out, rules, options, held_out=case.held_out.fingerprint, model=case.model.digest)
    return judge(stage, case, rules, **_around(options))


def _of_predictions(out: Path, rules: Policy, options: dict[str, Any]) -> dict[str, Any]:
    from scripts.given import depends_on, load_given
    from scripts.judging import DECISION
    from scripts.judging_predictions import judge_given

    thresholds = options["threshold"], options["champion_threshold"]
    given = load_given(options["predictions"], options["cohort"], rules, *thresholds)
    stage = open_stage(out, DECISION, options, depends_on(given, rules))
    if stage.done:
        return _done(out, rules, options, held_out=given.fingerprint, model=digest_of_file(given.file))
    return judge_given(stage, given, rules, **_around(options))


def _done(out: Path, rules: Policy, options: dict[str, Any], *, held_out: str, model: str) -> dict[str, Any]:
    """The decision that is there; a kill may have come before its outcome was written down."""
    from scripts.judging import DECISION, REPORT
    from scripts.looks import take_look, tell_outcome
    from validation.decision import read_decision
    from validation.report import render

    say(f"validate: already done, in {out}")
    decision = read_decision(out / DECISION)
    report = render(decision)
    if not (out / REPORT).is_file() or (out / REPORT).read_text(encoding="utf-8") != report:
        write_whole(out / REPORT, report)
        say("validate: wrote the report anew from the decision, as it was made by another version, or changed")
    take_look(options["registry"], options["key"], rules, held_out=held_out, model=model)
    tell_outcome(options["registry"], options["key"], held_out, decision)
    return decision


def _around(options: dict[str, Any]) -> dict[str, Any]:
    return {"options": options, **{name: options[name] for name in ("registry", "key", "dashboard")}}
