"""Which calibration: measured by cross-fitting within the tuning split, where nobody's own label helps.

The same tuning subjects already chose the epoch at which training stopped, and later fix the operating point. So what
is measured on them is too good, and cross-fitting cannot see that: it removes only the gain from judging a calibration
on the people on whom it was fitted. Measured on ten synthetic cohorts (from scratch; 560 trained on, 160 tuned on, 400
new people of the same kind; mean, standard error): log loss .449 on tuning people and .501 on the new (.015, .011),
slope 1.09 and .94 (.03, .07). Platt by pattern, asked for: .456 cross-fitted, and .504 on the new people, who would
have had .501 without it. `auto` left all ten as they were. Believe the held-out cohort, not the line in the terminal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lightning_modules.calibration import METHODS, Calibration, Method, Scored, fit_calibration, reliability
from lightning_modules.config import CalibrationOptions
from lightning_modules.rows import log_losses

NUM_FOLDS = 10


@dataclass(frozen=True)
class Chosen:
    """A calibration with what was measured.

    Attributes:
        calibration: Fitted on all tuning people.
        by_pattern: Whether patterns were allowed their own parameters.
        cross_fitted: Logits of the tuning people, each calibrated without its own fold, float64 (N,).
        before: `reliability` of the uncalibrated logits.
        after: `reliability` of `cross_fitted`.
    """

    calibration: Calibration
    by_pattern: bool
    cross_fitted: np.ndarray
    before: dict[str, float]
    after: dict[str, float]

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "method": self.calibration.method,
            "by_pattern": self.by_pattern,
            "before": self.before,
            "after_cross_fitted": self.after,
        }

    def sentence(self) -> str:
        """For the terminal."""
        named = self.calibration.method + (" by pattern" if self.by_pattern else "")
        shown = {"log loss": "log_loss", "Brier": "brier", "slope": "slope", "intercept": "intercept"}
        if self.calibration.method == "none":
            return f"calibration {named}: " + ", ".join(f"{name} {self.before[k]:.3f}" for name, k in shown.items())
        return f"calibration {named}, cross-fitted: " + ", ".join(
            f"{name} {self.before[key]:.3f} -> {self.after[key]:.3f}" for name, key in shown.items()
        )


def choose_calibration(people: Scored, options: CalibrationOptions) -> Chosen:
    """Fit what the options ask for, or what earns its place.

    Under `auto`, a candidate replaces the one before it where it lowers the cross-fitted log loss by more than one
    standard error of the paired difference. The candidates, the simplest first: none; temperature, Platt, beta; the
    same by pattern.
    """
    candidates: list[tuple[Method, bool]] = [("none", False)]
    if options.method == "auto":
        candidates += [(method, apart) for apart in (False, True)[: 1 + options.by_pattern] for method in METHODS]
    else:
        candidates = [(options.method, options.by_pattern and options.method != "none")]
    best, best_logits = candidates[0], cross_fit(people, *candidates[0])
    for candidate in candidates[1:]:
        logits = cross_fit(people, *candidate)
        gain, error = mean_and_error(
            log_losses(best_logits, people.label) - log_losses(logits, people.label), people.weight
        )
        if gain > error:
            best, best_logits = candidate, logits
    return Chosen(
        fit_calibration(people, best[0], by_pattern=best[1]),
        best[1],
        best_logits,
        reliability(people, people.logits),
        reliability(people, best_logits),
    )


def cross_fit(people: Scored, method: Method, by_pattern: bool) -> np.ndarray:
    """Logits of everybody, calibrated by a fit on the other folds, float64 (N,)."""
    if method == "none":
        return people.logits
    fold, logits = folds_of(people), np.empty(len(people))
    for number in np.unique(fold):
        here = people.take(fold == number)
        fitted = fit_calibration(people.take(fold != number), method, by_pattern=by_pattern)
        logits[fold == number] = fitted(here.logits, here.pattern)
    return logits


def folds_of(people: Scored) -> np.ndarray:
    """Fold of everybody, int (N,): dealt out one by one, by label and pattern, so that folds have equal shares."""
    shuffled = np.random.default_rng(0).permutation(len(people))
    fold = np.empty(len(people), dtype=int)
    fold[np.lexsort((shuffled, people.pattern.astype(str), people.label))] = np.arange(len(people)) % NUM_FOLDS
    return fold


def mean_and_error(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its standard error, of values (N,) with weights (N,)."""
    mean = float(np.average(values, weights=weight))
    return mean, float(np.sqrt((weight**2 * (values - mean) ** 2).sum()) / weight.sum())
