"""A cohort in memory: features by modality, presence, label, sensitive features, site and role, one row a subject."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cohorts.missingness import pattern_names
from cohorts.modalities.measurements import Measurements, text_bytes
from cohorts.modalities.tabular import Tabular
from cohorts.spec import CohortSpec

ROLES = ("rich", "sparse", "held_out")
ARRAYS = ("subject_id", "role", "label", "site", "weight", "time", "row")


@dataclass(frozen=True, repr=False)
class Cohort:
    """Subjects gathered under one spec. Rows of all parts belong together and are sorted by subject id.

    Attributes:
        spec: What the columns mean.
        subject_id: Texts, (N,), unique, sorted.
        role: "rich", "sparse", "held_out" or "" (in none of them), (N,).
        features: Modality to its measurements of N subjects, by the kind of the modality.
        label: 1.0 positive, 0.0 negative, NaN unknown, float64 (N,).
        sensitive: One text column a sensitive feature, "Unknown" where absent, N rows.
        site: Texts, (N,); "" where the spec names no site.
        weight: Survey or sampling weight, float64 (N,), above 0; 1 where the spec names none.
        time: Date (in seconds since 1970) or number of a subject, float64 (N,); NaN where absent or not named.
        row: Position in the subject table, int (N,); it only serves to find rows that do not belong together.
        notes: What a user should know about the tables, in sentences without subject identifiers.
    """

    spec: CohortSpec
    subject_id: np.ndarray
    role: np.ndarray
    features: dict[str, Measurements]
    label: np.ndarray
    sensitive: pd.DataFrame
    site: np.ndarray
    weight: np.ndarray
    time: np.ndarray
    row: np.ndarray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = (self.role, self.label, self.sensitive, self.site, self.weight, self.time, self.row)
        lengths = {len(part) for part in parts} | {len(part) for part in self.features.values()}
        assert lengths == {len(self.subject_id)}, f"parts of a cohort differ in length: {sorted(lengths)}"
        assert list(self.features) == list(self.spec.modalities), "features and spec name other modalities"
        assert bool(np.all(self.subject_id[:-1] < self.subject_id[1:])), "subject ids must be unique and sorted"

    def __repr__(self) -> str:
        """Counts only: a cohort in a log or a traceback must not show its people."""
        return f"Cohort({self.spec.name}, {len(self)} subjects, modalities {', '.join(self.features)})"

    def __len__(self) -> int:
        return len(self.subject_id)

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities, in the order of the columns of `presence`."""
        return list(self.features)

    @cached_property
    def presence(self) -> np.ndarray:
        """Which modality is measured for whom, bool (N, M): True where any of its values is present."""
        return np.column_stack([measurements.present for measurements in self.features.values()])

    def presence_of(self, modalities: Iterable[str]) -> np.ndarray:
        """Presence with columns in the order of these names, which need not be the cohort's own, bool (N, len)."""
        return self.presence[:, [self.modalities.index(name) for name in modalities]]

    @cached_property
    def pattern(self) -> np.ndarray:
        """Pattern of each subject, written `clinical+ecg`, texts (N,)."""
        return pattern_names(self.presence, self.modalities)

    def take(self, rows: np.ndarray) -> "Cohort":
        """The subjects at these positions (sorted by id again) or where this mask is True."""
        index = np.flatnonzero(rows) if rows.dtype == bool else np.sort(rows)
        return replace(
            self,
            **{name: getattr(self, name)[index] for name in ARRAYS},
            features={name: measurements.take(index) for name, measurements in self.features.items()},
            sensitive=self.sensitive.iloc[index].reset_index(drop=True),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that was read; it changes when any value does, and not with the order of rows."""
        digest = hashlib.sha256()
        for texts in (self.subject_id, self.role, self.site):
            digest.update(text_bytes(texts.tolist()))
        for numbers in (self.label, self.weight, self.time):
            digest.update(numbers.tobytes())
        for name, measurements in [*self.features.items(), ("sensitive", Tabular(self.sensitive))]:
            digest.update(f"\x1d{name}".encode())
            for part in measurements.content():
                digest.update(part)
        return digest.hexdigest()
