"""The whole chain: pretrain, fine-tune, controls, validate, promote."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_modules.config import (
    CalibrationOptions,
    MaskingOptions,
    NetworkOptions,
    ObjectiveOptions,
    TrainingOptions,
    TransferOptions,
    check_accelerator,
    check_options,
)
from scripts.candidate import CONTROLS, choose_candidate
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.finetune import finetune
from scripts.pretrain import pretrain
from scripts.promote import promote
from scripts.stage import open_stage
from scripts.summary import summarise, tell
from scripts.validate import validate

SUMMARY = "summary.json"


def workflow(
    cohort: str,
    out: Path,
    data: Path | None = None,
    held_out_site: str | None = None,
    policy: str = "screening",
    network: NetworkOptions = NetworkOptions(),
    masking: MaskingOptions = MaskingOptions(),
    training: TrainingOptions = TrainingOptions(),
    objective: ObjectiveOptions = ObjectiveOptions(),
    transfer: TransferOptions = TransferOptions(),
    calibration: CalibrationOptions = CalibrationOptions(),
    dashboard: DashboardOptions = DashboardOptions(),
) -> str:
    """Run the whole chain: pretrain, fine-tune, train the controls, validate, and promote what passes.

    Where transfer does not help, a control is judged in place of the fine-tuned model: one whose log loss, of sparse
    people out of the bag, is lower by more than a standard error.

    A run that was stopped goes on at the stage where it stopped, when the same command is given again.
    Exit code: 0 PASS, 2 bad input, 3 FAIL, 4 INSUFFICIENT, 5 ERROR.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: Folder to make, with one folder a stage, the registry and the dashboard runs.
        data: Folder that holds the tables of the spec; synthetic makes its own in OUT/data.
        held_out_site: Site to hold out instead of the spec's held-out cohort, for leave-one-site-out.
        policy: Path of a policy, or name of a shipped one (screening, strict).
        network: What the network is.
        masking: Which modalities a step of pretraining hides.
        training: How long and how fast to train, in each stage.
        objective: What pretraining minimises, beside the log loss of the label under masking.
        transfer: What fine-tuning keeps of the pretrained network and of the rich cohort.
        calibration: How scores of model and controls are made to mean what they say.
        dashboard: Where the runs can be followed.

    Example:
        python scripts/workflow.py --cohort heart_disease --data DIR --out runs/heart
    """
    options = dict(locals())
    check_options(network, masking, training, objective, transfer)
    from cohorts.files import canonical_json, read_json, whole_folder, write_whole
    from cohorts.synthetic import write_tables
    from scripts.training_stage import digests, read_and_split
    from validation.policy import load_policy

    rules = load_policy(policy)
    check_accelerator(training.accelerator)
    people, split = read_and_split(cohort, data, held_out_site)
    masking.check(people)
    transfer.check(people)
    stage = open_stage(out, SUMMARY, options, digests(people, split, policy=rules.digest))
    if stage.done:
        say(f"workflow: already done, nothing to do; this is what {out} holds")
        return tell(read_json(out / SUMMARY, "the summary of a workflow"))
    if data is None:
        data = out / "data"
        if not data.exists():
            with whole_folder(data) as folder:
                write_tables(folder)
    watch = replace(dashboard, group=dashboard.group or out.name, folder=dashboard.folder or out)
    common: dict[str, Any] = {"cohort": cohort, "data": data, "held_out_site": held_out_site, "dashboard": watch}
    start: dict[str, Any] = {"network": network, "masking": masking, "training": training, "objective": objective}
    pretrain(out=out / "pretrain", **start, **common)
    train: dict[str, Any] = {"training": training, "calibration": calibration, **common}
    finetune(out=out / "finetune", pretrained=out / "pretrain", transfer=transfer, **train)
    for control, replay_weight in zip(CONTROLS, (None, 1.0), strict=True):
        alike = TransferOptions(replay_weight=replay_weight, reweigh=transfer.reweigh)
        finetune(out=out / control, network=network, transfer=alike, **train)
    candidate = choose_candidate(out, people, split)
    controls = {name: out / name for name in CONTROLS}
    registry = out / "registry"
    validate(model=out / candidate, out=out / "validate", policy=policy, controls=controls, registry=registry, **common)
    summary = summarise(out, candidate)
    if summary["champion"]:
        promote(registry=registry, decision=out / "validate" / "decision.json")
    write_whole(out / SUMMARY, canonical_json(summary))
    return tell(summary)


def main() -> None:
    """Command line."""
    sys.exit(run(workflow))


if __name__ == "__main__":
    main()
