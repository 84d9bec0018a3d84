"""A candidate and its champion on the same subjects: the difference of two rates."""

from dataclasses import dataclass, replace

import numpy as np

from validation.estimands import Estimand
from validation.statistics import effective_size, tango


@dataclass(frozen=True)
class PairedGap(Estimand):
    """Rate of a candidate minus that of a champion on the same subjects, such as a sensitivity; Tango's interval.

    Attributes:
        gained, lost: How many are right by the candidate only, and by the champion only; with weights, the weighted
            shares of the effective size.
        total: Everybody in the denominator; with weights, the effective size.
        unit: What the denominator counts.
        people: How many people are in the denominator; None where `total` says it.
    """

    gained: float
    lost: float
    total: float
    unit: str = "subjects"
    people: float | None = None

    @classmethod
    def of(
        cls, candidate: np.ndarray, champion: np.ndarray, weight: np.ndarray | None = None, unit: str = "subjects"
    ) -> "PairedGap":
        """From who is right by each, both bool (N,), of those in the denominator, and their weights (N,), if any.

        The effective size is the smaller of Kish's, and of the one that gives the weighted variance of the difference.
        """
        gained, lost, num = candidate & ~champion, champion & ~candidate, len(candidate)
        if weight is None or not num:
            return cls(int(gained.sum()), int(lost.sum()), num, unit)
        share, size = weight / weight.sum(), effective_size(weight)
        gain, loss = float(share[gained].sum()), float(share[lost].sum())
        spread = float((share**2 * (gained.astype(float) - lost - (gain - loss)) ** 2).sum())
        size = min(size, (gain + loss - (gain - loss) ** 2) / spread) if spread > 0 else size
        return cls(gain * size, loss * size, size, unit, num)

    @property
    def value(self) -> float:
        return (self.gained - self.lost) / self.total if self.total else float("nan")

    @property
    def support(self) -> float:
        return self.total if self.people is None else self.people

    def interval(self, alpha: float) -> tuple[float, float]:
        return tango(self.gained, self.lost, self.total, alpha)

    def scaled(self, factor: float) -> "PairedGap":
        people = None if self.people is None else self.people * factor
        counts = {name: getattr(self, name) * factor for name in ("gained", "lost", "total")}
        return replace(self, **counts, people=people)
