"""Pretrain a fusion network on the rich cohort, under the patterns of the sparse one."""

import sys
from pathlib import Path

from lightning_modules.config import (
    MaskingOptions,
    NetworkOptions,
    ObjectiveOptions,
    TrainingOptions,
    check_accelerator,
    check_options,
)
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.stage import essential, open_stage


def pretrain(
    cohort: str,
    out: Path,
    data: Path | None = None,
    held_out_site: str | None = None,
    network: NetworkOptions = NetworkOptions(),
    masking: MaskingOptions = MaskingOptions(),
    training: TrainingOptions = TrainingOptions(),
    objective: ObjectiveOptions = ObjectiveOptions(),
    dashboard: DashboardOptions = DashboardOptions(),
) -> None:
    """Pretrain a fusion network on the rich cohort, under modality masking drawn from the sparse one.

    A run that was stopped goes on when the same command is given again.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: Folder to make: bundle, split, metrics, resolved config and dashboard run.
        data: Folder that holds the tables of the spec; not needed for synthetic.
        held_out_site: Site to hold out instead of the spec's held-out cohort, for leave-one-site-out.
        network: What the network is.
        masking: Which modalities a training step hides.
        training: How long and how fast to train.
        objective: What pretraining minimises, beside the log loss of the label under masking.
        dashboard: Where the run can be followed.

    Example:
        python scripts/pretrain.py --cohort synthetic --out runs/pretrained --network.width 48
    """
    options = dict(locals())
    check_options(network, masking, training, objective)
    from scripts.training_stage import BUNDLE, digests, make_batches, read_and_split, say_concerns

    check_accelerator(training.accelerator)
    people, split = read_and_split(cohort, data, held_out_site)
    masking.check(people)
    depends_on = digests(people, split)
    stage = open_stage(out, BUNDLE, options, depends_on)
    if stage.done:
        say(f"pretrain: already done, in {out}")
        return
    from cohorts.preprocessing import fit_preprocessing
    from lightning_modules.bundle import Bundle, fresh_network, versions
    from lightning_modules.experts import fit_first, whom_to_train
    from lightning_modules.masking import masking_for
    from lightning_modules.pretrain import PretrainModule
    from scripts.training_run import train_and_save

    say_concerns(people)
    rich = split.rows("rich_train")
    preprocessing = fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
    model = fresh_network(preprocessing, network, seed=training.seed, prevalence=float(people.label[rich].mean()))
    policy, more = masking_for(masking, people, split, preprocessing)
    module = PretrainModule(model, policy, training, objective)
    trained = whom_to_train(
        people, split, preprocessing, {"rich": 1.0}, num_groups=network.num_groups, seed=training.seed
    )
    fit_first(model, trained)
    batches = make_batches(stage, people, split, preprocessing, training, trained, more)
    provenance = {"stage": "pretrain", "options": essential(options), "depends_on": depends_on, "versions": versions()}
    bundle = Bundle(model, network, preprocessing, people.spec, provenance)
    train_and_save(stage, "pretrain", module, batches, bundle, split, dashboard, options=options)


def main() -> None:
    """Command line."""
    sys.exit(run(pretrain))


if __name__ == "__main__":
    main()
