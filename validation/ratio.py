"""Observed over expected events, and the inverse: whether risks are right on average."""

from dataclasses import dataclass, replace

import numpy as np

from cohorts.statistics import mean_and_covariance
from validation.estimands import Estimand
from validation.statistics import log_interval


@dataclass(frozen=True)
class Ratio(Estimand):
    """A ratio of two means of the same subjects; normal on the log scale.

    Two checks, that observed / expected and expected / observed both reach a floor such as 0.8, are two one-sided
    tests of equivalence (Schuirmann, J Pharmacokinet Biopharm 15, 1987, 657-680): passing both at alpha says that the
    ratio is within 0.8 and 1.25, and needs no correction for there being two.

    Attributes:
        ratio: The estimate.
        log_variance: Of its logarithm; NaN where a mean is 0 or no spread was seen, as nothing can then be decided.
    """

    ratio: float
    log_variance: float
    subjects: float
    unit: str = "subjects"

    @classmethod
    def observed_expected(cls, label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> "Ratio":
        """Observed share of events over the mean risk, from labels, risks and weights, if any, each (N,).

        The variance is by the delta method: that of the mean of label / observed - risk / expected.
        """
        observed, expected = (float(np.average(values, weights=weight)) for values in (label, score))
        ratio, variance = observed / expected if expected > 0 else float("nan"), float("nan")
        if ratio > 0:
            influence = label / observed - score / expected
            variance = float(mean_and_covariance(influence[None], weight)[1][0, 0])
        return cls(ratio, variance if variance > 0 else float("nan"), len(label))

    @property
    def inverse(self) -> "Ratio":
        """Expected over observed, say; NaN where the ratio is 0."""
        return replace(self, ratio=1 / self.ratio if self.ratio else float("nan"))

    @property
    def value(self) -> float:
        return self.ratio

    @property
    def support(self) -> float:
        return self.subjects

    def interval(self, alpha: float) -> tuple[float, float]:
        if not self.ratio > 0:
            return float("nan"), float("nan")
        return log_interval(self.ratio, self.log_variance, alpha)

    def scaled(self, factor: float) -> "Ratio":
        return replace(self, log_variance=self.log_variance / factor, subjects=self.subjects * factor)
