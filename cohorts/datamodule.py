"""Batches by index, in an order that depends on seed and epoch alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split

Batch = dict[str, Any]


class SubjectDataset(Dataset[Batch]):
    """Subjects as tensors; a batch is a dict that is cut out of them at once.

    A batch holds `features` (modality to float32 (B, F), 0 where absent), `presence` (bool (B, M), True = measured),
    `label` (float32 (B,), NaN where unknown) and `weight` (float32 (B,)).
    """

    def __init__(self, cohort: Cohort, inputs: Mapping[str, np.ndarray], rows: np.ndarray, weight: np.ndarray) -> None:
        self.features = {name: torch.as_tensor(values[rows]) for name, values in inputs.items()}
        self.presence = torch.as_tensor(cohort.presence[rows])
        self.label = torch.as_tensor(cohort.label[rows], dtype=torch.float32)
        self.weight = torch.as_tensor(weight, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, index: list[int]) -> Batch:
        rows = torch.as_tensor(index)
        return {
            "features": {name: values[rows] for name, values in self.features.items()},
            "presence": self.presence[rows],
            "label": self.label[rows],
            "weight": self.weight[rows],
        }


class EpochSampler(Sampler[int]):
    """A new order in every epoch, the same one whenever that epoch is run again."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist())

    def __len__(self) -> int:
        return self.size


def _as_is(batch: Any) -> Any:
    """`__getitems__` made the batch already."""
    return batch


class CohortDataModule(pl.LightningDataModule):
    """Training and tuning subjects of one stage.

    Args:
        cohort: All subjects.
        split: Who is in which part.
        preprocessing: Fitted on training subjects.
        train_weights: Part of the split to the weight of its subjects' loss; a weight of 0 leaves the part out.
        tuning_part: Part that early stopping looks at.
        batch_size: Subjects in a step.
        seed: Seed of the order.
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
    ) -> None:
        super().__init__()
        inputs = preprocessing.transform(cohort)
        weights = {part: weight for part, weight in train_weights.items() if weight > 0}
        train = split.rows(*weights)
        tuning = split.rows(tuning_part)
        weight = np.array([weights[part] for part in split.part[train]])
        self.train = SubjectDataset(cohort, inputs, train, weight)
        self.tuning = SubjectDataset(cohort, inputs, tuning, np.ones(len(tuning)))
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled by seed and epoch."""
        sampler = EpochSampler(len(self.train), self.seed)
        return DataLoader(self.train, self.batch_size, sampler=sampler, collate_fn=_as_is)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In the order of the subject ids."""
        return DataLoader(self.tuning, 4096, collate_fn=_as_is)
