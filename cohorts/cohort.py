"""A cohort in memory: features by modality, presence, label, sensitive features, site and role, one row a subject."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cohorts.missingness import pattern_names
from cohorts.spec import CohortSpec

ROLES = ("rich", "sparse", "held_out")


@dataclass(frozen=True, repr=False)
class Cohort:
    """Subjects gathered under one spec. Rows of all parts belong together and are sorted by subject id.

    Attributes:
        spec: What the columns mean.
        subject_id: Texts, (N,), unique, sorted.
        role: "rich", "sparse", "held_out" or "" (in none of them), (N,).
        features: Modality to a frame of N rows; numeric columns are float64 with NaN where absent, categorical
            columns hold texts with None where absent.
        label: 1.0 positive, 0.0 negative, NaN unknown, float64 (N,).
        sensitive: One text column a sensitive feature, "Unknown" where absent, N rows.
        site: Texts, (N,); "" where the spec names no site.
        notes: What a user should know about the tables, in sentences without subject identifiers.
    """

    spec: CohortSpec
    subject_id: np.ndarray
    role: np.ndarray
    features: dict[str, pd.DataFrame]
    label: np.ndarray
    sensitive: pd.DataFrame
    site: np.ndarray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.role), len(self.label), len(self.sensitive), len(self.site)}
        lengths |= {len(frame) for frame in self.features.values()}
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
        return np.column_stack([frame.notna().any(axis=1).to_numpy(dtype=bool) for frame in self.features.values()])

    @cached_property
    def pattern(self) -> np.ndarray:
        """Pattern of each subject, written `clinical+ecg`, texts (N,)."""
        return pattern_names(self.presence, self.modalities)

    def take(self, rows: np.ndarray) -> "Cohort":
        """The subjects at these positions (sorted by id again) or where this mask is True."""
        index = np.flatnonzero(rows) if rows.dtype == bool else np.sort(rows)
        return replace(
            self,
            subject_id=self.subject_id[index],
            role=self.role[index],
            features={name: frame.iloc[index].reset_index(drop=True) for name, frame in self.features.items()},
            label=self.label[index],
            sensitive=self.sensitive.iloc[index].reset_index(drop=True),
            site=self.site[index],
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, roles, values, labels, groups and sites; it changes when any of them does."""
        digest = hashlib.sha256()
        for texts in (self.subject_id, self.role, self.site):
            digest.update("\x1f".join(texts.tolist()).encode())
        digest.update(self.label.tobytes())
        for name, frame in [*self.features.items(), ("sensitive", self.sensitive)]:
            digest.update(name.encode())
            for column in frame.columns:
                values = frame[column]
                numeric = pd.api.types.is_numeric_dtype(values)
                content = values.to_numpy(dtype=np.float64).tobytes() if numeric else repr(values.tolist()).encode()
                digest.update(f"\x1e{column}\x1f".encode() + content)
        return digest.hexdigest()
