"""What pretrain and finetune end with: train in a stage's folder, calibrate, save metrics, split and bundle."""

import shutil
from typing import TYPE_CHECKING, Any

from cohorts.cohort import Cohort
from cohorts.files import canonical_json, write_whole
from cohorts.splits import Split
from scripts.command_line import say
from scripts.dashboard import DashboardOptions, start_run
from scripts.stage import CHECKPOINTS, Stage
from scripts.training_stage import BUNDLE, METRICS, SPLIT

if TYPE_CHECKING:
    from cohorts.datamodule import CohortDataModule
    from lightning_modules.bundle import Bundle
    from lightning_modules.config import CalibrationOptions
    from lightning_modules.experts import Trained
    from lightning_modules.module import FusionModule


def train_and_save(
    stage: Stage,
    name: str,
    module: "FusionModule",
    batches: "CohortDataModule",
    bundle: "Bundle",
    split: Split,
    dashboard: DashboardOptions,
    *,
    options: dict[str, Any],
    trained: "Trained | None" = None,
    calibrated_on: "tuple[Cohort, CalibrationOptions] | None" = None,
) -> None:
    """Train with a dashboard run, fit what comes last, calibrate, save all of it, and remove the checkpoints."""
    from pytorch_lightning.loggers import WandbLogger

    from lightning_modules.bundle import save_bundle
    from lightning_modules.experts import fit_last
    from lightning_modules.scoring import calibrate
    from lightning_modules.training import describe, fit

    run = start_run(dashboard, stage.folder, name, bundle.spec.name, options)
    logger = WandbLogger(experiment=run) if dashboard.mode != "disabled" else None
    try:
        metrics = fit(module, batches, stage.folder / CHECKPOINTS, title=stage.folder.name, logger=logger)
        if trained is not None:
            fit_last(bundle.network, trained)
        bundle, chosen = calibrate(bundle, *calibrated_on) if calibrated_on else (bundle, None)
        about_calibration = {"calibration": chosen.summary()} if chosen else {}
        split.freeze(stage.folder / SPLIT)
        write_whole(stage.folder / METRICS, canonical_json({**metrics, **about_calibration}))
        saved = save_bundle(bundle, stage.folder / BUNDLE)
        run.summary.update({"bundle": saved.digest})
    finally:
        run.finish()
    shutil.rmtree(stage.folder / CHECKPOINTS)
    after = f"after {metrics['num_epochs']:.0f} epochs"
    say(f"{stage.folder.name}: {describe(metrics)} {after}; bundle in {stage.folder / BUNDLE}")
    if chosen:
        say(f"{stage.folder.name}: {chosen.sentence()}")
