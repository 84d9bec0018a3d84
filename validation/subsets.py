"""Scores of the same people under subsets of modalities, as the judge sees them: a table, and no model.

Counts: M common modalities, S subsets of them, n people who have them all, K draws of what they show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from cohorts.errors import raise_if
from cohorts.limits import in_words
from cohorts.statistics import delong
from validation.estimands import Auroc
from validation.predictions import weights_of

DRAWN = "missingness."
"""How the columns start whose people show what was drawn for them: `missingness.reversed.0` is the first draw."""
MISSINGNESS = ("as held out", "completely at random", "reversed")


@dataclass(frozen=True, eq=False)
class Subsets:
    """Complete subjects, who have all common modalities, with their scores when only some of these are shown.

    Attributes:
        held_out: Their positions in the predictions of the held-out cohort, int (n,).
        modalities: Names of the common modalities, M of them.
        subsets: What is shown, bool (S, M), the whole first.
        scores: float (S, n), 0 to 1.
        drawn: Missingness to the scores of K draws, float (K, n), where each subject shows what was drawn for it.
        label: 1 positive, 0 negative, (n,).
        weight: Survey or sampling weights, (n,); None for equal ones.
    """

    held_out: np.ndarray
    modalities: tuple[str, ...]
    subsets: np.ndarray
    scores: np.ndarray
    drawn: Mapping[str, np.ndarray]
    label: np.ndarray
    weight: np.ndarray | None

    @classmethod
    def of(cls, table: pd.DataFrame, held_out: pd.DataFrame) -> Self:
        """Join a table of scores to predictions, by subject id.

        Args:
            table: One row a complete subject: subject_id, and a column a subset, named by its pattern (`ecg+labs`);
                the whole, all that lack one modality, and any others; and columns that start with DRAWN.
            held_out: Predictions of the held-out cohort.

        Raises:
            InputError: A subject is not held out, stands twice or lacks a common modality, a subset or a draw is not
                there, or a score is not from 0 to 1.
        """
        names = [str(name) for name in table if name != "subject_id" and not str(name).startswith(DRAWN)]
        shown = {name: frozenset(name.split("+")) for name in names}
        whole = max(names, key=lambda name: len(shown[name]), default="")
        modalities = tuple(whole.split("+")) if whole else ()
        row = pd.Index(held_out["subject_id"]).get_indexer(pd.Index(table["subject_id"]))
        raise_if(_problems(table, held_out["pattern"].to_numpy()[row[row >= 0]], shown, modalities))
        table, row = table.iloc[np.argsort(row)], np.sort(row)
        # The largest first, so that the order of the columns does not matter.
        names.sort(key=lambda name: (-len(shown[name]), *(m not in shown[name] for m in modalities)))
        subsets = np.zeros((len(names), len(modalities)), dtype=bool)
        for number, name in enumerate(names):
            subsets[number] = [modality in shown[name] for modality in modalities]
        people = held_out.iloc[row]
        return cls(
            row,
            modalities,
            subsets,
            table[names].to_numpy(dtype=float).T,
            {name: table[_draws_of(name, table)].to_numpy(dtype=float).T for name in MISSINGNESS},
            people["label"].to_numpy(),
            weights_of(people),
        )

    @property
    def names(self) -> list[str]:
        """Names of the subsets, as patterns are named."""
        return ["+".join(np.array(self.modalities)[subset]) for subset in self.subsets]

    def without(self, modality: str) -> np.ndarray:
        """Scores when all but one modality are shown, float (n,); there are at least two."""
        wanted = np.array([name != modality for name in self.modalities])
        scores: np.ndarray = self.scores[np.flatnonzero((self.subsets == wanted).all(axis=1))[0]]
        return scores

    def tells_of_few(self, label: np.ndarray, member: np.ndarray, least: int) -> bool:
        """Whether the number of complete members would tell that from 1 to `least` - 1 members of a class are not.

        Args:
            label: Of the held-out people, (N,).
            member: Bool (N,); how many of each class there are is known.
            least: Smallest count that is shown.
        """
        rest = member.copy()
        rest[self.held_out] = False
        counts = [int((rest & (label == value)).sum()) for value in (0, 1)]
        return any(0 < count < least for count in (*counts, sum(counts)))

    def can_be_shown(self, least: int) -> bool:
        """Whether both classes have as many people as a figure needs."""
        return min(int((self.label == value).sum()) for value in (0, 1)) >= least


def mean_auroc(label: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> Auroc:
    """AUROC averaged over K rows of scores, float (K, n); K scores of the same people are not K people (DeLong)."""
    areas, covariance = delong(label, scores, weight)
    first = Auroc.of(label, scores[0], weight)
    return replace(first, area=float(areas.mean()), variance=float(covariance.mean()))


def _draws_of(missingness: str, table: pd.DataFrame) -> list[str]:
    return sorted(str(name) for name in table if str(name).startswith(f"{DRAWN}{missingness}."))


def _problems(
    table: pd.DataFrame, pattern: np.ndarray, shown: Mapping[str, frozenset[str]], modalities: tuple[str, ...]
) -> list[str]:
    strangers, repeated = len(table) - len(pattern), int(table["subject_id"].duplicated().sum())
    lacking = sum(not set(modalities) <= set(names.split("+")) for names in pattern)
    problems = [f"subset scores: {in_words(strangers)} subjects are not held out; score again"] if strangers else []
    if lacking:
        problems.append(
            f"subset scores: {in_words(lacking)} subjects lack a modality that they are scored with; score again"
        )
    if repeated:
        problems.append(f"subset scores: {in_words(repeated)} rows repeat a subject, where each may stand once")
    there, everything = set(shown.values()), frozenset(modalities)
    unknown = sorted(set().union(*there) - everything)
    if unknown:
        problems.append(f"subset scores: no column has all modalities ({', '.join([*modalities, *unknown])}) together")
    problems += [
        f"subset scores: no column has all modalities but {name}, so nothing shows what is lost without it"
        for name in modalities
        if len(modalities) > 1 and everything - {name} not in there
    ]
    problems += [
        f"subset scores: no column {DRAWN}{missingness}.0, in which each subject shows what was drawn for it"
        for missingness in MISSINGNESS
        if modalities and not _draws_of(missingness, table)
    ]
    scores = table.drop(columns="subject_id").apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = int((~((scores >= 0) & (scores <= 1))).sum())
    return [*problems, f"subset scores: {bad} scores are not between 0 and 1"] if bad else problems
