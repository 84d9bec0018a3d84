"""What validate was asked to judge, a model or predictions of another tool; and how it tells what was decided."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohorts.errors import raise_if
from cohorts.files import digest_of_file, write_whole
from scripts.command_line import say
from scripts.stage import Stage, open_stage
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
    from scripts.judging_model import REPORT
    from validation.decision import reasons

    say(f"validate: {decision['verdict']}; report in {out / REPORT}")
    for note in decision["notes"]:
        say(f"  note: {note}")
    idle = sum(finding["verdict"] == "NOT APPLICABLE" for finding in decision["findings"])
    if idle:
        found = "1 finding is" if idle == 1 else f"{idle} findings are"
        say(f"  note: {found} NOT APPLICABLE, so the verdict does not rest on that; the report says why")
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
    from scripts.judging_model import DECISION, judge
    from scripts.mitigations import unknown_features

    controls = options["controls"] or {}
    raise_if(unasked_controls(rules, controls))
    places = {name: options[name] for name in ("held_out_site", "held_out_data", "registry", "reweighed")}
    case = load_case(options["cohort"], options["data"], options["model"], controls, **places)
    raise_if(unknown_features(case, options["mitigate"] or ()))
    stage = open_stage(out, DECISION, options, case.depends_on(rules))
    seen = {"held_out": case.held_out.fingerprint, "model": case.model.digest}
    return _decided(stage, rules, options, seen, lambda looks: judge(stage, case, rules, looks, options))


def _of_predictions(out: Path, rules: Policy, options: dict[str, Any]) -> dict[str, Any]:
    from scripts.given_predictions import depends_on, load_given
    from scripts.judging_model import DECISION
    from scripts.judging_predictions import judge_given

    thresholds = options["threshold"], options["champion_threshold"]
    given = load_given(options["predictions"], options["cohort"], rules, *thresholds)
    stage = open_stage(out, DECISION, options, depends_on(given, rules))
    seen = {"held_out": given.fingerprint, "model": digest_of_file(given.file)}
    return _decided(stage, rules, options, seen, lambda looks: judge_given(stage, given, rules, looks, options))


def _decided(
    stage: Stage, rules: Policy, options: dict[str, Any], seen: dict[str, str], judge: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """The decision that is there, or the one that judging makes, between the look that is taken and what came of it.

    Args:
        stage: Folder of the judgement.
        rules: With the budget of looks.
        options: Of validate.
        seen: Fingerprint of the held-out cohort, and digest of what is scored there.
        judge: From the looks to a decision.
    """
    from scripts.looks import take_look, tell_outcome

    looks = take_look(options["registry"], options["key"], rules, **seen)
    decision = _kept(stage.folder) if stage.done else judge(looks)
    tell_outcome(options["registry"], options["key"], seen["held_out"], decision)
    return decision


def _kept(out: Path) -> dict[str, Any]:
    """The decision that is there, with its report as this version writes it."""
    from scripts.judging_model import DECISION, REPORT
    from validation.decision import read_decision
    from validation.report import render

    say(f"validate: already done, in {out}")
    decision = read_decision(out / DECISION)
    report = render(decision)
    if not (out / REPORT).is_file() or (out / REPORT).read_text(encoding="utf-8") != report:
        write_whole(out / REPORT, report)
        say("validate: wrote the report anew from the decision, as it was made by another version, or changed")
    return decision
