"""One training run: a Trainer with early stopping, checkpoints to resume from, and a progress line."""

import logging
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cohorts.datamodule import CohortDataModule
from cohorts.errors import InputError
from lightning_modules.module import FusionModule

BEST, LAST = "best.ckpt", "last.ckpt"


def fit(
    module: FusionModule, data: CohortDataModule, checkpoints: Path, *, title: str, logger: Logger | None
) -> dict[str, float]:
    """Train until the log loss of the tuning subjects stops falling, and load the best weights into the network.

    Args:
        module: Regime with its network.
        data: Batches.
        checkpoints: Folder of `last.ckpt` and `best.ckpt`; where it holds a `last.ckpt`, training goes on from there,
            in the middle of an epoch too.
        title: What the progress line says.
        logger: Lightning logger, or None.

    Returns:
        Metrics of the tuning subjects at the best epoch, and the number of epochs run.
    """
    keep_best = ModelCheckpoint(checkpoints, "best", monitor="tuning/log_loss", enable_version_counter=False)
    # Lightning's own save_last follows the best epoch; this one is there after every epoch.
    keep_last = ModelCheckpoint(checkpoints, "last", enable_version_counter=False)
    torch.set_num_threads(module.options.num_threads)
    module.train()  # a network that comes out of a bundle is in evaluation mode
    with warnings.catch_warnings(), _quiet_lightning():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*(treespec|LeafSpec).*", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=".*number of training batches .* smaller than the logging interval.*")
        trainer = pl.Trainer(
            accelerator=module.options.accelerator,
            devices=1,
            max_epochs=module.options.num_epochs,
            callbacks=[
                EarlyStopping("tuning/log_loss", patience=module.options.patience),
                keep_best,
                keep_last,
                _KeepPlace(checkpoints / LAST, module.options.checkpoint_minutes),
                _ProgressLine(title),
            ],
            logger=logger or False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        last = checkpoints / LAST
        try:
            trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None)
        except SystemExit:  # which Lightning makes of the interrupt that it caught
            raise KeyboardInterrupt from None
        best = torch.load(checkpoints / BEST, weights_only=True, map_location="cpu")
        module.load_state_dict(best["state_dict"])
        metrics = trainer.validate(module, data, verbose=False)[0]
    network = module.network.cpu().eval()
    if not all(bool(torch.isfinite(weights).all()) for weights in network.parameters()):
        raise InputError(f"training {title}: diverged, its weights are not finite; lower training.learning_rate")
    return {**metrics, "num_epochs": float(trainer.current_epoch)}


class _quiet_lightning:
    """Lightning's notes on hardware and tips are of no use to who trains a small network on a CPU."""

    loggers = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")

    def __enter__(self) -> None:
        self.levels = {name: logging.getLogger(name).level for name in self.loggers}
        for name in self.loggers:
            logging.getLogger(name).setLevel(logging.ERROR)

    def __exit__(self, *_: Any) -> None:
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)


class _KeepPlace(Callback):
    """Checkpoints inside long epochs; the loader's place is part of them."""

    def __init__(self, path: Path, minutes: float) -> None:
        self.path, self.seconds = path, 60 * minutes

    def on_train_start(self, *_: Any) -> None:
        self.last = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        # The last step's place is kept after its epoch has been judged.
        if time.monotonic() - self.last >= self.seconds and not trainer.is_last_batch:
            trainer.save_checkpoint(self.path)
            self.last = time.monotonic()


class _ProgressLine(Callback):
    """One line on standard error: epoch, bar, time left, tuning metrics; it moves in a terminal and ends a log."""

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self.title = title

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.progress.start()
        self.task = self.progress.add_task(f"{self.title:<10}", total=trainer.max_epochs, state="")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        self.progress.update(self.task, completed=done)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        state = f"epoch {trainer.current_epoch + 1}, {describe(trainer.callback_metrics)}"
        self.progress.update(self.task, completed=trainer.current_epoch + 1, state=state)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.progress.update(self.task, total=trainer.current_epoch, completed=trainer.current_epoch)
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.progress.stop()


def describe(metrics: Mapping[str, Any]) -> str:
    """Tuning metrics in words."""
    shown = [("log loss", "tuning/log_loss"), ("AUROC", "tuning/auroc")]
    return "tuning " + ", ".join(f"{name} {float(metrics[key]):.3f}" for name, key in shown if key in metrics)
