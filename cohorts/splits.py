"""Splits by subject, stratified by label and pattern, and frozen: the same subjects, the same split, in any order."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.files import digest_of_text

PARTS = ("rich_train", "rich_tuning", "sparse_train", "sparse_tuning", "held_out")


@dataclass(frozen=True, repr=False)
class Split:
    """Who is in which part.

    Attributes:
        subject_id: Texts (N,), sorted.
        part: One of PARTS, or "" for subjects in no cohort, texts (N,).
    """

    subject_id: np.ndarray
    part: np.ndarray

    def rows(self, *parts: str) -> np.ndarray:
        """Positions of the subjects of some parts, int (n,)."""
        return np.flatnonzero(np.isin(self.part, parts))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over who is trained and tuned on; two splits with the same one hold out the same people."""
        used = np.isin(self.part, PARTS[:-1])
        return digest_of_text(
            "\n".join(f"{s}\t{p}" for s, p in zip(self.subject_id[used], self.part[used], strict=True))
        )

    def frame(self) -> pd.DataFrame:
        """As a table with the columns subject_id and part."""
        return pd.DataFrame({"subject_id": self.subject_id, "part": self.part})


def make_split(cohort: Cohort) -> Split:
    """Split by the rule of the cohort's spec.

    Subjects of a cohort are ordered by label, pattern and a hash of seed and id, and every k-th is taken: systematic
    sampling, which keeps the shares of labels and patterns, the rare ones too.

    Raises:
        InputError: A part would hold one class only.
    """
    rule = cohort.spec.split
    part = np.full(len(cohort), "", dtype=object)
    part[cohort.role == "held_out"] = "held_out"
    if rule.held_out_fraction:
        sparse = np.flatnonzero(cohort.role == "sparse")
        part[sparse[_systematic(cohort, sparse, rule.held_out_fraction, rule.seed, "held_out")]] = "held_out"
    for role in ("rich", "sparse"):
        rows = np.flatnonzero((cohort.role == role) & (part == ""))
        tuning = _systematic(cohort, rows, rule.tuning_fraction, rule.seed, "tuning")
        part[rows] = np.where(tuning, f"{role}_tuning", f"{role}_train")
    split = Split(cohort.subject_id, part)
    one_class = [name for name in PARTS if len(np.unique(cohort.label[split.rows(name)])) < 2]
    if one_class:
        raise InputError(
            f"split: {', '.join(one_class)} would hold one class of `{cohort.spec.label}` only; "
            "gather more subjects, or change `split`"
        )
    return split


def _systematic(cohort: Cohort, rows: np.ndarray, fraction: float, seed: int, purpose: str) -> np.ndarray:
    hashes = [hashlib.sha256(f"{seed}:{purpose}:{subject}".encode()).digest() for subject in cohort.subject_id[rows]]
    keys = list(zip(cohort.label[rows], cohort.pattern[rows], hashes, strict=True))
    order = np.array(sorted(range(len(rows)), key=keys.__getitem__), dtype=int)
    steps = np.floor((np.arange(len(rows) + 1) + 0.5) * fraction)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[order] = np.diff(steps) > 0
    return chosen
