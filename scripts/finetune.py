"""Fine-tune a pretrained network on the sparse cohort, or train the from-scratch control."""

import sys
from dataclasses import replace
from pathlib import Path

from cohorts.errors import raise_if
from lightning_modules.config import (
    FINETUNE_MASKING,
    CalibrationOptions,
    MaskingOptions,
    NetworkOptions,
    TrainingOptions,
    TransferOptions,
    check_accelerator,
    check_options,
)
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.stage import essential, open_stage


def finetune(
    cohort: str,
    out: Path,
    pretrained: Path | None = None,
    data: Path | None = None,
    held_out_site: str | None = None,
    network: NetworkOptions | None = None,
    masking: MaskingOptions = FINETUNE_MASKING,
    training: TrainingOptions = TrainingOptions(),
    transfer: TransferOptions = TransferOptions(),
    calibration: CalibrationOptions = CalibrationOptions(),
    dashboard: DashboardOptions = DashboardOptions(),
) -> None:
    """Fine-tune a pretrained network on the sparse cohort; without --pretrained, train the from-scratch control.

    A run that was stopped goes on when the same command is given again.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: Folder to make: bundle, split, metrics, resolved config and dashboard run.
        pretrained: Folder that pretrain made; without it, training starts from random weights.
        data: Folder that holds the tables of the spec; not needed for synthetic.
        held_out_site: Site to hold out instead of the spec's held-out cohort, for leave-one-site-out.
        network: What the network is; only without --pretrained, whose network is kept otherwise.
        masking: Which modalities a training step hides, beside those that are absent.
        training: How long and how fast to train.
        transfer: What is kept of the pretrained network and of the rich cohort, and by what people are weighed anew.
        calibration: How scores are made to mean what they say, on sparse subjects whom no member saw.
        dashboard: Where the run can be followed.

    Example:
        python scripts/finetune.py --cohort synthetic --pretrained runs/pretrained --out runs/finetuned
    """
    options = dict(locals())
    check_options(network or NetworkOptions(), masking, training, transfer)
    raise_if(_contradictions(pretrained, network, transfer))
    if not pretrained:
        transfer = replace(transfer, replay_weight=transfer.replay_weight or 0.0)
    options |= {"transfer": transfer, "network": None if pretrained else network or NetworkOptions()}
    from scripts.training_stage import (
        BUNDLE,
        digests,
        make_batches,
        read_and_split,
        say_concerns,
        starting_point,
    )

    check_accelerator(training.accelerator)
    people, split = read_and_split(cohort, data, held_out_site)
    masking.check(people)
    transfer.check(people)
    start = starting_point(people, split, pretrained, network or NetworkOptions(), training.seed)
    depends_on = digests(people, split, pretrained=start.digest)
    stage = open_stage(out, BUNDLE, options, depends_on)
    if stage.done:
        say(f"finetune: already done, in {out}")
        return
    from cohorts.reweighing import reweighed
    from lightning_modules.bundle import versions
    from lightning_modules.experts import choose_replay, fit_first, judged_parts, whom_to_train
    from lightning_modules.finetune import FinetuneModule
    from lightning_modules.masking import masking_for
    from scripts.training_run import train_and_save

    say_concerns(people)
    policy, more = masking_for(masking, people, split, start.preprocessing)
    module = FinetuneModule(start.network, policy, training, transfer)
    num_groups, replay = start.options.num_groups, transfer.replay_weight
    if replay is None:
        replay = choose_replay(people, split, start.preprocessing, num_groups, training.seed)
        say(f"{out.name}: replays the rich cohort with the weight {replay:g}, chosen by the sparse people")
    weights = {"sparse": 1.0, "rich": replay}
    weighed = people
    if transfer.reweigh is not None:
        weighed = reweighed(people, split, weights, transfer.reweigh)
        say(f"{out.name}: weighs losses, those of tuning too, so that the label does not depend on {transfer.reweigh}")
    trained = whom_to_train(weighed, split, start.preprocessing, weights, num_groups=num_groups, seed=training.seed)
    fit_first(start.network, trained)
    batches = make_batches(stage, weighed, split, start.preprocessing, training, trained, more)
    provenance = {"stage": "finetune", "options": essential(options), "replay_weight": replay}
    provenance |= {"depends_on": depends_on, "versions": versions()}
    bundle = replace(start, provenance=provenance, digest="")
    calibrated_on = (people.take(split.rows(*judged_parts(num_groups))), calibration)
    train_and_save(
        stage,
        "finetune",
        module,
        batches,
        bundle,
        split,
        dashboard,
        options=options,
        trained=trained,
        calibrated_on=calibrated_on,
    )


def _contradictions(pretrained: Path | None, network: NetworkOptions | None, transfer: TransferOptions) -> list[str]:
    problems = []
    if pretrained and network:
        problems.append("network: the pretrained network is kept, so give no network options with --pretrained")
    if not pretrained and transfer.freeze != "nothing":
        problems.append(f"transfer.freeze: {transfer.freeze} would freeze random weights; give --pretrained")
    return problems


def main() -> None:
    """Command line."""
    sys.exit(run(finetune))


if __name__ == "__main__":
    main()
