"""Which model of a workflow is judged: the fine-tuned one, or a control where transfer does not help."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.command_line import say

if TYPE_CHECKING:
    from cohorts.cohort import Cohort
    from cohorts.splits import Split

MODEL, CONTROLS, CANDIDATE = "finetune", ("scratch", "pooled"), "candidate.json"


def choose_candidate(out: Path, people: "Cohort", split: "Split") -> str:
    """Which model is judged: the fine-tuned one, or a control that serves the sparse people better; and say why."""
    from cohorts.files import canonical_json, read_json, write_whole

    if not (out / CANDIDATE).exists():
        from lightning_modules.bundle import load_bundle
        from lightning_modules.transfer import better_control, gains_over

        model, *others = [load_bundle(out / name / "bundle") for name in (MODEL, *CONTROLS)]
        gains = gains_over(model, dict(zip(CONTROLS, others, strict=True)), people, split)
        found = {"candidate": better_control(gains) or MODEL, "gains": {k: asdict(v) for k, v in gains.items()}}
        write_whole(out / CANDIDATE, canonical_json(found))
    found = read_json(out / CANDIDATE, "the choice of a candidate")
    measured = ", ".join(
        f"{gain['mean']:+.4f} ± {gain['standard_error']:.4f} over {name}" for name, gain in found["gains"].items()
    )
    people_said = f"{found['gains'][CONTROLS[0]]['num_people']} sparse people, none seen by what scores them"
    say(f"transfer: gain in log loss {measured} ({people_said})")
    if found["candidate"] != MODEL:
        say(f"transfer: does not help here, so the control {found['candidate']} is judged in place of the model")
    return str(found["candidate"])
