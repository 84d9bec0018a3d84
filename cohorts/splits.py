"""Splits by subject, site or time, stratified by label and pattern, and frozen: the same subjects, the same split."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.files import digest_of_text, write_whole
from cohorts.limits import in_words

PARTS = ("rich_train", "rich_tuning", "sparse_train", "sparse_tuning", "held_out")
FINGERPRINT = b"rich2sparse.split"


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

    @property
    def content(self) -> str:
        """SHA-256 over every subject and part."""
        return digest_of_text("\n".join(f"{s}\t{p}" for s, p in zip(self.subject_id, self.part, strict=True)))

    def freeze(self, path: Path) -> None:
        """Write the split as Parquet, whole or not at all, with its fingerprint."""
        table = pa.Table.from_pandas(pd.DataFrame({"subject_id": self.subject_id, "part": self.part}))
        buffer = pa.BufferOutputStream()
        pyarrow.parquet.write_table(table.replace_schema_metadata({FINGERPRINT: self.content}), buffer)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue().to_pybytes())


def read_split(path: Path) -> Split:
    """A frozen split.

    Raises:
        InputError: There is none, or it was changed.
    """
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException):
        raise InputError(f"split {path.name}: is no frozen split; give the split.parquet of an earlier run") from None
    if table.column_names != ["subject_id", "part"]:
        raise InputError(f"split {path.name}: must have the columns subject_id and part, and has {table.column_names}")
    split = Split(*(table.column(name).to_numpy(zero_copy_only=False) for name in ("subject_id", "part")))
    if (table.schema.metadata or {}).get(FINGERPRINT, b"").decode() != split.content:
        raise InputError(f"split {path.name}: was changed since it was frozen; take it from where it was made")
    return split


def cross_fitting_groups(subject_id: np.ndarray, num_groups: int) -> np.ndarray:
    """The group of each subject, int (N,), 0 to num_groups - 1; it follows from the id alone."""
    hashes = [hashlib.sha256(f"group:{subject}".encode()).digest() for subject in subject_id]
    return np.array([int.from_bytes(each[:8]) % num_groups for each in hashes], dtype=int)


def make_split(cohort: Cohort, data: Path | None = None) -> Split:
    """Split by the rule of the cohort's spec.

    By subject, the subjects of a cohort are ordered by label, pattern and a hash of seed and id, and every k-th is
    taken: systematic sampling, which keeps the shares of labels and patterns, the rare ones too. By site, whole sites
    are tuned on, by time the latest subjects of each cohort.

    Args:
        cohort: Whom to split.
        data: Data folder, where the rule names a frozen split.

    Raises:
        InputError: A part would hold one class only, or a frozen split does not fit the cohort.
    """
    rule = cohort.spec.split
    if rule.file:
        split = _fitted(read_split((data or Path()) / rule.file), cohort)
    else:
        split = Split(cohort.subject_id, _parts(cohort))
    return _both_classes(split, cohort)


def _parts(cohort: Cohort) -> np.ndarray:
    rule = cohort.spec.split
    part = np.full(len(cohort), "", dtype=object)
    part[cohort.role == "held_out"] = "held_out"
    if rule.held_out_fraction:
        sparse = np.flatnonzero(cohort.role == "sparse")
        part[sparse[_chosen(cohort, sparse, rule.held_out_fraction, "held_out")]] = "held_out"
    for role in ("rich", "sparse"):
        rows = np.flatnonzero((cohort.role == role) & (part == ""))
        tuning = _chosen(cohort, rows, rule.tuning_fraction, "tuning")
        part[rows] = np.where(tuning, f"{role}_tuning", f"{role}_train")
    return part


def _chosen(cohort: Cohort, rows: np.ndarray, fraction: float, purpose: str) -> np.ndarray:
    """Who of these subjects is held out or tuned on, by the rule of the spec, bool (n,)."""
    rule = cohort.spec.split
    if rule.by == "time":
        return _latest(cohort, rows, fraction)
    if rule.by == "site" and len(np.unique(cohort.site[rows].astype(str))) > 1:
        return _whole_sites(cohort, rows, fraction, rule.seed)
    return _systematic(cohort, rows, fraction, rule.seed, purpose)  # a single site cannot be divided by site


def folds(cohort: Cohort, *, num_folds: int, num_repeats: int = 1, seed: int = 0) -> Iterator[Split]:
    """Splits of repeated k-fold: each sparse subject is held out once in every repeat; the rich are never.

    Args:
        cohort: Those who are held out by role stay out of it, in no part.
        num_folds: At least 2; stratified by label and pattern.
        num_repeats: How often, each time in another order.
        seed: Of the order.

    Raises:
        InputError: A part would hold one class only.
    """
    for repeat in range(num_repeats):
        sparse = np.flatnonzero(cohort.role == "sparse")
        fold = np.empty(len(sparse), dtype=int)
        fold[_order(cohort, sparse, seed + repeat, "fold")] = np.arange(len(sparse)) % num_folds
        for number in range(num_folds):
            part = np.full(len(cohort), "", dtype=object)
            part[sparse[fold == number]] = "held_out"
            yield _both_classes(_with_tuning(cohort, part, seed + repeat), cohort)


def leave_one_site_out(cohort: Cohort) -> Iterator[tuple[str, Split]]:
    """Each site of the sparse and the held-out cohort in turn is held out, and all others are trained on.

    Raises:
        InputError: A part would hold one class only.
    """
    deployed = np.isin(cohort.role, ["sparse", "held_out"])
    for site in np.unique(cohort.site[deployed].astype(str)):
        part = np.full(len(cohort), "", dtype=object)
        part[(cohort.role != "") & (cohort.site == site)] = "held_out"
        yield str(site), _both_classes(_with_tuning(cohort, part, cohort.spec.split.seed, deployed), cohort)


def _with_tuning(cohort: Cohort, part: np.ndarray, seed: int, deployed: np.ndarray | None = None) -> Split:
    rule = cohort.spec.split
    members = {"rich": cohort.role == "rich", "sparse": cohort.role == "sparse" if deployed is None else deployed}
    for role, member in members.items():
        rows = np.flatnonzero(member & (part == ""))
        tuning = _systematic(cohort, rows, rule.tuning_fraction, seed, "tuning")
        part[rows] = np.where(tuning, f"{role}_tuning", f"{role}_train")
    return Split(cohort.subject_id, part)


def _fitted(frozen: Split, cohort: Cohort) -> Split:
    """The frozen part of each subject; who came later is in no part, who left must be missed by nobody."""
    place = {subject: part for subject, part in zip(frozen.subject_id, frozen.part, strict=True) if part}
    moved = sum(
        not place.get(subject, role).startswith(role or "none")
        and not (role == "sparse" and place[subject] == "held_out")
        for subject, role in zip(cohort.subject_id, cohort.role, strict=True)
        if subject in place
    )
    if moved:
        raise InputError(
            f"split {cohort.spec.split.file}: {in_words(moved)} subjects are in a part that is not of their role now; "
            "mend `roles`, or drop `split.file`"
        )
    gone = len(set(place) - set(cohort.subject_id))
    if gone:
        raise InputError(
            f"split {cohort.spec.split.file}: {in_words(gone)} subjects of the frozen split are not in the cohort; "
            "give the tables that it was made from, or drop `split.file`"
        )
    return Split(cohort.subject_id, np.array([place.get(subject, "") for subject in cohort.subject_id], dtype=object))


def _both_classes(split: Split, cohort: Cohort) -> Split:
    one_class = [name for name in PARTS if len(np.unique(cohort.label[split.rows(name)])) < 2]
    if one_class:
        raise InputError(
            f"split: {', '.join(one_class)} would hold one class of `{cohort.spec.label}` only; "
            "gather more subjects, or change `split`"
        )
    return split


def _order(cohort: Cohort, rows: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    hashes = [hashlib.sha256(f"{seed}:{purpose}:{subject}".encode()).digest() for subject in cohort.subject_id[rows]]
    keys = list(zip(cohort.label[rows], cohort.pattern[rows], hashes, strict=True))
    return np.array(sorted(range(len(rows)), key=keys.__getitem__), dtype=int)


def _systematic(cohort: Cohort, rows: np.ndarray, fraction: float, seed: int, purpose: str) -> np.ndarray:
    steps = np.floor((np.arange(len(rows) + 1) + 0.5) * fraction)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[_order(cohort, rows, seed, purpose)] = np.diff(steps) > 0
    return chosen


def _latest(cohort: Cohort, rows: np.ndarray, fraction: float) -> np.ndarray:
    time = cohort.time[rows]
    unknown = int(np.isnan(time).sum())
    if unknown:
        role = cohort.role[rows][0]
        raise InputError(
            f"split: {in_words(unknown)} subjects of the {role} cohort have no `time`; drop them with `where`"
        )
    # All of one moment stay together, so that nobody who is trained on is later than who is tuned on.
    return time > np.sort(time)[max(0, len(time) - 1 - round(fraction * len(time)))]


def _whole_sites(cohort: Cohort, rows: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Of some random orders of the sites, the first few of that which comes nearest to the fraction, at most half."""
    sites, counts = np.unique(cohort.site[rows].astype(str), return_counts=True)
    rng, best = np.random.default_rng(seed), (np.inf, sites[:1])
    for _ in range(100):
        order = rng.permutation(len(sites))
        sums = np.cumsum(counts[order])[:-1]  # some site is trained on
        number = int(np.abs(sums - fraction * len(rows)).argmin())
        apart = abs(sums[number] - fraction * len(rows)) + len(rows) * (sums[number] > len(rows) / 2)
        if apart < best[0]:
            best = (apart, sites[order[: number + 1]])
    return np.isin(cohort.site[rows].astype(str), best[1])
