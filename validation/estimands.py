"""What a check estimates: a value, an interval at any level, and how many subjects a decision would need.

With survey or sampling weights the supports, and so the numbers needed, stay people; the intervals are those of the
effective size or of a weighted variance, so a number needed holds for people drawn and weighted as these are.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import ceil, isnan
from typing import Self

import numpy as np

from cohorts.statistics import delong, logit_interval, mean_and_covariance, wilson
from validation.statistics import effective_size, newcombe, normal_interval, weighted_rate


class Estimand(ABC):
    """An estimate that knows its own uncertainty. Larger is better."""

    unit: str
    """What `support` counts."""

    @property
    @abstractmethod
    def value(self) -> float:
        """Point estimate; NaN where it is undefined."""

    @property
    @abstractmethod
    def support(self) -> float:
        """How many subjects of `unit` it rests on."""

    @abstractmethod
    def interval(self, alpha: float) -> tuple[float, float]:
        """Lower and upper one-sided 1 - alpha bound; NaN where undefined."""

    @abstractmethod
    def scaled(self, factor: float) -> Self:
        """The same estimate on `factor` times as many subjects."""

    def p_value_below(self, threshold: float) -> float:
        """Smallest one-sided alpha, up to 0.5, that puts the upper bound under the threshold; 1.0 where none does."""
        if isnan(self.interval(0.4)[1]) or self.value >= threshold:
            return 1.0
        low, high = 1e-9, 0.5
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (low, middle) if self.interval(middle)[1] < threshold else (middle, high)
        return high

    def needed(self, threshold: float, alpha: float) -> int | None:
        """How many subjects of `unit` would put the lower bound at the threshold, if the estimate stayed.

        None where no number would (the estimate is not above the threshold), or where there is no estimate.
        """
        if isnan(self.value) or self.value <= threshold or isnan(self.interval(alpha)[0]):
            return None
        low, high = 1e-3, 1.0
        while self.scaled(high).interval(alpha)[0] < threshold:
            low, high = high, high * 2
            if high > 1e7:
                return None
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.scaled(middle).interval(alpha)[0] < threshold else (low, middle)
        return ceil(round(self.support * high, 6))


@dataclass(frozen=True)
class Rate(Estimand):
    """Share of successes; Wilson's interval.

    Attributes:
        successes, total: Counts; with weights, the weighted share of the effective size, and that size.
        unit: What the denominator counts.
        people: How many people are in the denominator; None where `total` says it.
    """

    successes: float
    total: float
    unit: str = "subjects"
    people: float | None = None

    @classmethod
    def of(
        cls, success: np.ndarray, base: np.ndarray, weight: np.ndarray | None = None, unit: str = "subjects"
    ) -> "Rate":
        """From who is a success and who is in the denominator, both bool (N,), the former among the latter.

        With weights, (N,), the interval is Wilson's on the effective size of the denominator, as `weighted_rate`.
        """
        if weight is None or not base.any():
            return cls(int(success.sum()), int(base.sum()), unit)
        share, size = weighted_rate(success[base], weight[base])
        return cls(share * size, size, unit, int(base.sum()))

    @property
    def value(self) -> float:
        return self.successes / self.total if self.total else float("nan")

    @property
    def support(self) -> float:
        return self.total if self.people is None else self.people

    def interval(self, alpha: float) -> tuple[float, float]:
        return wilson(self.successes, self.total, alpha)

    def scaled(self, factor: float) -> "Rate":
        people = None if self.people is None else self.people * factor
        return replace(self, successes=self.successes * factor, total=self.total * factor, people=people)


@dataclass(frozen=True)
class RateGap(Estimand):
    """Rate of a group minus the rate of its complement; Newcombe's interval."""

    group: Rate
    complement: Rate

    @property
    def unit(self) -> str:  # type: ignore[override]
        return self.group.unit

    @property
    def value(self) -> float:
        return self.group.value - self.complement.value

    @property
    def support(self) -> float:
        return self.group.support

    def interval(self, alpha: float) -> tuple[float, float]:
        a, b = self.group, self.complement
        return newcombe(a.successes, a.total, b.successes, b.total, alpha)

    def scaled(self, factor: float) -> "RateGap":
        return RateGap(self.group.scaled(factor), self.complement.scaled(factor))


@dataclass(frozen=True)
class Auroc(Estimand):
    """Area under the ROC curve; DeLong's variance on the logit scale.

    At exactly 0 or 1 the variance is 0 and the logit infinite; there the interval is Wilson's for as many subjects as
    the rarer class has; with weights, for the smaller effective size of a class, which is `rarer`.
    """

    area: float
    variance: float
    num_positives: float
    num_negatives: float
    unit: str = "subjects"
    rarer: float | None = None

    @classmethod
    def of(cls, label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> "Auroc":
        """From labels, scores and, where subjects are weighted, weights, each (N,)."""
        values, covariance = delong(label, score[None], weight)
        positive = label == 1
        rarer = None if weight is None else min(effective_size(weight[positive]), effective_size(weight[~positive]))
        counts = int(positive.sum()), int((~positive).sum())
        return cls(float(values[0]), float(covariance[0, 0]), *counts, rarer=rarer)

    @property
    def value(self) -> float:
        return self.area

    @property
    def support(self) -> float:
        return self.num_positives + self.num_negatives

    def interval(self, alpha: float) -> tuple[float, float]:
        if self.area in (0.0, 1.0):
            rarer = min(self.num_positives, self.num_negatives) if self.rarer is None else self.rarer
            return wilson(self.area * rarer, rarer, alpha)
        return logit_interval(self.area, self.variance, alpha)

    def scaled(self, factor: float) -> "Auroc":
        positives, negatives = self.num_positives * factor, self.num_negatives * factor
        rarer = None if self.rarer is None else self.rarer * factor
        return Auroc(self.area, self.variance / factor, positives, negatives, self.unit, rarer)


@dataclass(frozen=True)
class Mean(Estimand):
    """An estimate with a variance and a normal distribution."""

    mean: float
    variance: float
    subjects: float
    unit: str = "subjects"

    @classmethod
    def over(cls, values: np.ndarray, weight: np.ndarray | None = None) -> "Mean":
        """Mean of one value a subject, such as a squared error, (N,), N at least 2, by weights (N,) if any."""
        mean, covariance = mean_and_covariance(values[None], weight)
        return cls(float(mean[0]), float(covariance[0, 0]), len(values))

    @classmethod
    def auroc_gain(
        cls, label: np.ndarray, score: np.ndarray, control: np.ndarray, weight: np.ndarray | None = None
    ) -> "Mean":
        """AUROC of a score minus that of a control on the same subjects; paired DeLong. All arguments (N,).

        The variance is NaN, so that nothing can be decided, where both are perfect, or perfectly wrong. It is 0 where
        both rank everybody alike, whatever else they say.
        """
        values, covariance = delong(label, np.stack([score, control]), weight)
        variance = float(np.maximum(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0))
        if variance == 0 and values[0] in (0.0, 1.0) and not np.array_equal(score, control):
            variance = float("nan")  # both perfect: no spread was seen, which does not mean that there is none
        return cls(float(values[0] - values[1]), variance, len(label))

    @property
    def value(self) -> float:
        return self.mean

    @property
    def support(self) -> float:
        return self.subjects

    def interval(self, alpha: float) -> tuple[float, float]:
        return normal_interval(self.mean, self.variance, alpha)

    def scaled(self, factor: float) -> "Mean":
        return replace(self, variance=self.variance / factor, subjects=self.subjects * factor)
