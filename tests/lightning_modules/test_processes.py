"""Training in real processes: one that is killed for good, and two that share every batch."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

KILLED = """
import os, signal, sys
import cohorts.streaming, scripts.pretrain
from lightning_modules.module import FusionModule
from scripts.command_line import run

cohorts.streaming.GROUP_BYTES = 4096
step = FusionModule.training_step

def dies(self, batch, batch_index):
    if self.global_step == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, batch_index)

FusionModule.training_step = dies
sys.exit(run(scripts.pretrain.pretrain, sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("batches", ["memory", "parquet"])
def test_a_kill_inside_an_epoch_and_the_same_command_end_with_the_same_weights(
    batches: str, tables: Path, tmp_path: Path
) -> None:
    words = ["--cohort", "synthetic", "--data", str(tables), "--dashboard.mode", "disabled"]
    words += ["--training.num_epochs", "2", "--training.batch_size", "24", "--training.checkpoint_minutes", "0"]
    words += ["--training.batches", batches]

    def pretrain(folder: str, dies_at: int) -> int:
        command = [sys.executable, "-c", KILLED, str(dies_at), *words, "--out", str(tmp_path / folder)]
        return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode

    assert pretrain("whole", -1) == 0
    assert pretrain("killed", 7) == -signal.SIGKILL
    checkpoints = tmp_path / "killed" / "checkpoints"
    saved = torch.load(checkpoints / "last.ckpt", weights_only=True)
    assert saved["CohortDataModule"] == {"epoch": 0, "batch": 7}
    prepared = checkpoints / "batches" / "train.parquet"
    assert prepared.exists() == (batches == "parquet")
    assert pretrain("killed", 6) == 0, "it began again before the place where it was killed"
    assert not checkpoints.exists(), "prepared files go with the checkpoints"
    weights = [(tmp_path / folder / "bundle" / "weights.safetensors").read_bytes() for folder in ("whole", "killed")]
    assert weights[0] == weights[1]


SHARED = """
import json, sys, warnings
from pathlib import Path

import pytorch_lightning as pl
import torch

from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.splits import make_split
from lightning_modules.bundle import fresh_network
from lightning_modules.config import MaskingOptions, NetworkOptions, TrainingOptions
from lightning_modules.masking import ModalityMasking
from lightning_modules.module import FusionModule

tables, out, devices, batches, start = sys.argv[1:]
people = read_cohort(load_spec("synthetic"), Path(tables))
split = make_split(people)
preprocessing = fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
network = fresh_network(preprocessing, NetworkOptions(dropout=0.0, num_members=1), seed=0, prevalence=0.4)
masking = ModalityMasking(MaskingOptions(policy="none"), people.presence)
module = FusionModule(network, masking, TrainingOptions(num_epochs=2))
out = Path(out)
data = CohortDataModule(people, split, preprocessing, train_weights={"sparse_train": 1.0, "rich_train": 0.2},
                        tuning_part="sparse_tuning", batch_size=50, seed=0, num_workers=int(devices) - 1,
                        prepared=out / "batches" if batches == "parquet" else None)

class Recorder(pl.Callback):
    seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_index):
        self.seen.append(torch.cat([batch["features"]["labs"], batch["weight"][:, None]], 1).double().sum(1).tolist())
        if trainer.global_step == 5:
            trainer.save_checkpoint(out / "five.ckpt")

torch.set_num_threads(1)
trainer = pl.Trainer(
    accelerator="cpu", devices=int(devices), strategy="ddp" if devices == "2" else "auto", max_epochs=2,
    callbacks=[Recorder()], logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False, num_sanity_val_steps=0,
)
trainer.fit(module, data, ckpt_path=start or None)
(out / f"rank{trainer.global_rank}.json").write_text(json.dumps(Recorder.seen))
if trainer.is_global_zero:
    torch.save(network.state_dict(), out / "weights.pt")
"""


@pytest.mark.slow
@pytest.mark.parametrize("batches", ["memory", "parquet"])
def test_two_processes_train_on_the_same_batches_as_one(batches: str, tables: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(SHARED)

    def train(folder: str, num_processes: int, start: str = "") -> tuple[list[list[list[float]]], np.ndarray]:
        (tmp_path / folder).mkdir()
        words = [str(tables), str(tmp_path / folder), str(num_processes), batches, start]
        command = [sys.executable, str(tmp_path / "shared.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        shares = [json.loads((tmp_path / folder / f"rank{rank}.json").read_text()) for rank in range(num_processes)]
        weights = torch.load(tmp_path / folder / "weights.pt", weights_only=True).values()
        return shares, torch.cat([values.flatten() for values in weights]).numpy()

    (alone,), expected = train("alone", 1)
    shares, weights = train("shared", 2)
    together = [first + second for first, second in zip(*shares, strict=True)]
    assert together == alone
    np.testing.assert_allclose(weights, expected, atol=2e-4)

    shares, again = train("resumed", 2, str(tmp_path / "shared" / "five.ckpt"))
    assert [first + second for first, second in zip(*shares, strict=True)] == alone[5:]
    np.testing.assert_array_equal(again, weights)
