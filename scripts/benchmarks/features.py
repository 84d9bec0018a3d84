"""What a baseline sees of a subject: one row of numbers, and the modality of every column, to hide it by."""

from dataclasses import dataclass

import numpy as np

from cohorts.cohort import Cohort
from cohorts.modalities.events import SUMMARY
from cohorts.preprocessing import fit_preprocessing
from cohorts.splits import Split
from scripts.benchmarks.plans import remove


@dataclass(frozen=True)
class Table:
    """Inputs of all subjects.

    Attributes:
        values: float32 (N, F).
        modality: Position of the modality of each column, int (F,).
        absent: What stands where a modality is absent: 0 for linear models, NaN for trees.
    """

    values: np.ndarray
    modality: np.ndarray
    absent: float

    def shown(self, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Inputs of some subjects, int (n,), where only the kept modalities, bool (n, M), are known: float32 (n, F)."""
        return np.where(kept[:, self.modality], self.values[rows], np.float32(self.absent))


def linear_table(people: Cohort, split: Split) -> Table:
    """Normal scores, one-hot levels, summaries of events, and indicators of values and of modalities; absent is 0."""
    parts = [
        np.column_stack([people.presence[:, number], inputs])
        for number, inputs in enumerate(_inputs(people, split).values())
    ]
    return _table(parts, 0.0)


def tree_table(people: Cohort, split: Split) -> Table:
    """Raw numbers, one-hot levels and summaries of events; NaN where absent."""
    training = people.take(split.rows("rich_train", "sparse_train"))
    parts = []
    for name, inputs in _inputs(people, split).items():
        kind = people.spec.modalities[name].kind
        if kind == "tabular":
            names = training.features[name].summary().columns
            parts.append(people.features[name].summary().reindex(columns=names).to_numpy(dtype=float))
        elif kind == "events":
            cells = inputs.reshape(len(people), -1, len(SUMMARY))
            known = cells[..., SUMMARY.index("measured"), None] > 0
            parts.append(np.where(known, cells, np.nan)[..., :-1].reshape(len(people), -1))
        else:
            parts.append(inputs)
    return _table(parts, np.nan)


def _inputs(people: Cohort, split: Split) -> dict[str, np.ndarray]:
    """Inputs as the network gets them, of events the summaries only."""
    preprocessing = fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
    found = {}
    for name, fitted in preprocessing.fitted.items():
        inputs = fitted.transform(people.features[name])
        num_summaries = fitted.layout.get("num_variables", 0) * len(SUMMARY)
        found[name] = inputs[:, :num_summaries] if fitted.kind == "events" else inputs
    return found


def _table(parts: list[np.ndarray], absent: float) -> Table:
    modality = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Table(np.concatenate(parts, axis=1).astype(np.float32), modality, absent)


def masked_copies(presence: np.ndarray, patterns: np.ndarray, seed: int) -> np.ndarray:
    """Presence of the rows as they are, of a copy under the deployment's patterns, and of two under random rates.

    Args:
        presence: Of training subjects, bool (N, M).
        patterns: Of sparse training subjects, bool (n, M); one is drawn for each row. A row that would be left with
            nothing stays as it is.
        seed: Of the draws; a rate is uniform between 0 and 0.8.

    Returns:
        bool (4 N, M).
    """
    rng = np.random.default_rng([seed, 5])
    drawn = presence & patterns[rng.integers(len(patterns), size=len(presence))]
    drawn = np.where(drawn.any(axis=1, keepdims=True), drawn, presence)
    random = [remove(presence, rng.uniform(0, 0.8, len(presence)), rng) for _ in range(2)]
    return np.concatenate([presence, drawn, *random])
