"""Batches of one training stage, from memory or from Parquet, in an order that depends on seed and epoch alone."""

import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pytorch_lightning as pl

from cohorts.batches import FEATURES, MORE, BatchLoader, MemorySource, Source
from cohorts.cohort import Cohort
from cohorts.files import canonical_json, digest_of_text, whole_folder
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from cohorts.streaming import ParquetSource, digest_of, rows_in_a_group, write_rows

TRAIN, TUNING = "train", "tuning"
FILES = {TRAIN: "train.parquet", TUNING: "tuning.parquet"}
WRITING_SEED = 0


class CohortDataModule(pl.LightningDataModule):
    """Training and tuning subjects of one stage.

    A subject's loss weighs its part's weight times `cohort.weight`, relative to the mean of the training subjects, and
    in tuning `cohort.weight` likewise.

    Args:
        cohort: All subjects.
        split: Who is in which part.
        preprocessing: Fitted on training subjects.
        train_weights: Part of the split to the weight of its subjects' loss; a weight of 0 leaves the part out.
        tuning_part: Part that early stopping looks at.
        batch_size: Subjects in a step, of all processes together.
        seed: Seed of the order.
        more: Name to a whole number a subject, int (N,), which batches carry along.
        num_workers: Processes that read ahead; any number gives the same batches.
        prepared: Folder for inputs as Parquet, from which they are streamed. It is written once, whole, without subject
            ids, and read again by a run that goes on; who trains removes it. None: inputs stay in memory.
    """

    def __init__(
        self,
        cohort: Cohort,
        split: Split,
        preprocessing: Preprocessing,
        *,
        train_weights: Mapping[str, float],
        tuning_part: str,
        batch_size: int,
        seed: int,
        more: Mapping[str, np.ndarray] | None = None,
        num_workers: int = 0,
        prepared: Path | None = None,
    ) -> None:
        super().__init__()
        self.cohort, self.split, self.preprocessing = cohort, split, preprocessing
        self.part_weights = {part: float(weight) for part, weight in train_weights.items() if weight > 0}
        self.tuning_part, self.batch_size, self.seed, self.more = tuning_part, batch_size, seed, dict(more or {})
        self.num_workers, self.prepared = num_workers, prepared
        self._sources: dict[str, Source] = {}
        self._loader: BatchLoader | None = None
        self._place: dict[str, int] = {}

    def prepare_data(self) -> None:
        """Write what is streamed, where it is not there yet; Lightning calls this in one process only.

        Raises:
            InputError: Something else lies at the place.
        """
        if self.prepared is None or digest_of(self.prepared / FILES[TUNING]) == self._digest:
            return
        for leftover in self.prepared.parent.glob(f".{self.prepared.name}.*"):
            shutil.rmtree(leftover)
        if self.prepared.is_dir() and {path.name for path in self.prepared.iterdir()} <= set(FILES.values()):
            shutil.rmtree(self.prepared)  # of another cohort or split
        with whole_folder(self.prepared) as folder:
            for part, name in FILES.items():
                self._write(folder / name, part)

    def _write(self, path: Path, part: str) -> None:
        rows, weight = self._rows(part)
        if part == TRAIN:  # the order of subject ids often follows the sites: a row group should hold people of all
            order = np.random.default_rng(WRITING_SEED).permutation(len(rows))
            rows, weight = rows[order], weight[order]
        size = rows_in_a_group(self._columns(rows[:1], weight[:1]))
        starts = range(0, len(rows), size)
        chunks = (self._columns(rows[at : at + size], weight[at : at + size]) for at in starts)
        write_rows(path, chunks, len(starts), self._digest)

    def train_dataloader(self) -> BatchLoader:
        """Shuffled by seed and epoch; each process of a distributed run gets its share of every batch."""
        trainer = self.trainer
        rank, num_ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        self._loader = BatchLoader(
            self._source(TRAIN, self.seed),
            self.batch_size,
            num_workers=self.num_workers,
            rank=rank,
            num_ranks=num_ranks,
        )
        if self._place:
            self._loader.load_state_dict(self._place)
            self._place = {}
        return self._loader

    def state_dict(self) -> dict[str, int]:
        """The place in the epoch, which Lightning puts into its checkpoints."""
        return self._loader.state_dict() if self._loader else {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Where the next training loader starts.

        Lightning saves the loader's own state too, but restores it only where no optimiser has asked for the number of
        steps before, as that of a one-cycle schedule does.
        """
        self._place = state_dict

    def val_dataloader(self) -> BatchLoader:
        """In the order of the subject ids; every process sees all tuning subjects."""
        return BatchLoader(self._source(TUNING, None), 4096)

    def _source(self, part: str, seed: int | None) -> Source:
        if part not in self._sources:
            if self.prepared is not None:
                self._sources[part] = ParquetSource(self.prepared / FILES[part], seed)
            else:
                columns = self._columns(*self._rows(part))
                self._sources[part] = MemorySource(columns, seed, self.batch_size)
        return self._sources[part]

    def _rows(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of subjects and weights of their loss."""
        if part == TUNING:
            rows = self.split.rows(self.tuning_part)
            return rows, self.cohort.weight[rows] / self.cohort.weight[rows].mean()
        rows = self.split.rows(*self.part_weights)
        own = self.cohort.weight[rows]
        return rows, np.array([self.part_weights[name] for name in self.split.part[rows]]) * (own / own.mean())

    def _columns(self, rows: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
        """What `batches.Source` speaks of, of the subjects at these positions, in this order."""
        order = np.argsort(rows)  # `Cohort.take` sorts
        people = self.cohort.take(rows[order])
        inputs = self.preprocessing.transform(people)
        columns = {f"{FEATURES}{name}": np.asarray(values, dtype=np.float32) for name, values in inputs.items()}
        presence = people.presence_of(self.preprocessing.fitted)
        columns |= {"presence": presence, "label": people.label.astype(np.float32)}
        columns |= {f"{MORE}{name}": values[rows[order]].astype(np.float32) for name, values in self.more.items()}
        if np.any(np.diff(order) < 0):
            columns = {name: values[np.argsort(order)] for name, values in columns.items()}
        return {**columns, "weight": weight.astype(np.float32)}

    @cached_property
    def _digest(self) -> str:
        """What the prepared inputs follow from."""
        parts = [self.cohort.fingerprint, self.split.fingerprint, self.preprocessing.state(), self.part_weights]
        more = {name: digest_of_text(str(values.tolist())) for name, values in self.more.items()}
        return digest_of_text(canonical_json([*parts, self.tuning_part, more]))
