"""The whole chain: pretrain, fine-tune, controls, validate, promote."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.finetune import finetune
from scripts.pretrain import pretrain
from scripts.promote import promote
from scripts.stage import open_stage
from scripts.validate import validate

if TYPE_CHECKING:
    from cohorts.cohort import Cohort
    from cohorts.splits import Split

SUMMARY, CANDIDATE = "summary.json", "candidate.json"
CONTROLS = ("scratch", "pooled")


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
        policy: Path of a policy, or name of a shipped one (screening).
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
    finetune(out=out / "scratch", network=network, **train)
    finetune(out=out / "pooled", network=network, transfer=TransferOptions(replay_weight=1.0), **train)
    candidate = choose_candidate(out, people, split)
    controls = {name: out / name for name in CONTROLS}
    validate(model=out / candidate, out=out / "validate", policy=policy, controls=controls, **common)
    summary = summarise(out, candidate)
    if summary["champion"]:
        promote(registry=out / "registry", decision=out / "validate" / "decision.json")
    write_whole(out / SUMMARY, canonical_json(summary))
    return tell(summary)


def choose_candidate(out: Path, people: "Cohort", split: "Split") -> str:
    """Which model is judged: the fine-tuned one, or a control that serves the sparse people better; and say why."""
    from dataclasses import asdict

    from cohorts.files import canonical_json, read_json, write_whole

    if not (out / CANDIDATE).exists():
        from lightning_modules.bundle import load_bundle
        from lightning_modules.transfer import better_control, gains_over

        model, *others = [load_bundle(out / name / "bundle") for name in ("finetune", *CONTROLS)]
        gains = gains_over(model, dict(zip(CONTROLS, others, strict=True)), people, split)
        found = {"candidate": better_control(gains) or "finetune", "gains": {k: asdict(v) for k, v in gains.items()}}
        write_whole(out / CANDIDATE, canonical_json(found))
    found = read_json(out / CANDIDATE, "the choice of a candidate")
    measured = ", ".join(
        f"{gain['mean']:+.4f} ± {gain['standard_error']:.4f} over {name}" for name, gain in found["gains"].items()
    )
    people_said = f"{found['gains'][CONTROLS[0]]['num_people']} sparse people, none seen by what scores them"
    say(f"transfer: gain in log loss {measured} ({people_said})")
    if found["candidate"] != "finetune":
        say(f"transfer: does not help here, so the control {found['candidate']} is judged in place of the model")
    return str(found["candidate"])


def summarise(out: Path, candidate: str) -> dict[str, Any]:
    """What a person wants to know at the end, from the decision; paths are below OUT."""
    from validation.decision import read_decision, reasons, too_small, worst_group

    decision = read_decision(out / "validate" / "decision.json")
    auroc = next(row for row in decision["tables"]["performance"] if row["metric"] == "auroc")
    group = worst_group(decision)
    return {
        "verdict": decision["verdict"],
        "reasons": reasons(decision),
        "auroc": {key: auroc[key] for key in ("value", "lower", "upper", "support")},
        "worst_group": group["sentence"] if group else "none could be judged",
        "too_small_to_judge": too_small(decision),
        "report": str(out / "validate" / "report.html"),
        "decision": str(out / "validate" / "decision.json"),
        "bundle": str(out / candidate / "bundle"),
        "dashboard": str(out / "wandb"),
        "champion": decision["verdict"] == "PASS",
        "registry": str(out / "registry"),
    }


def tell(summary: dict[str, Any]) -> str:
    """Print the summary and return its verdict."""
    auroc = summary["auroc"]
    place = f"champion of {summary['registry']}" if summary["champion"] else "not promoted"
    lines = {
        "verdict": summary["verdict"],
        "AUROC": "{value:.3f} [{lower:.3f}, {upper:.3f}] on {support} held-out subjects".format(**auroc),
        "worst group": summary["worst_group"],
        "too small": ", ".join(summary["too_small_to_judge"]) or "no group",
        "report": summary["report"],
        "dashboard": f"wandb leet {summary['dashboard']}",
        "bundle": f"{summary['bundle']}, {place}",
    }
    say("")
    for name, text in lines.items():
        say(f"{name:<12} {text}")
    if summary["reasons"]:
        count = len(summary["reasons"])
        each = f"{count} reasons not to promote it, each" if count > 1 else "1 reason not to promote it,"
        say(f"{'':<12} {each} in the report")
    return str(summary["verdict"])


def main() -> None:
    """Command line."""
    sys.exit(run(workflow))


if __name__ == "__main__":
    main()
