"""Samples with a known truth of risks, and the bounds that the judge gives for each."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import expit

from scripts.benchmarks.regimes import Regime, drawn
from validation.bootstrap import Bootstrapped
from validation.estimands import Estimand, Mean
from validation.measures import auprc_lift, brier_skill
from validation.net_benefit import net_benefit_gain
from validation.ratio import Ratio

NUM_TRUTH = 4_000_000
"""Subjects whose estimate counts as the truth, where there is no formula."""
MEASURES = (auprc_lift, brier_skill)


def of_risks(num_draws: int, num_resampled: int, num_replicates: int) -> Iterator[Regime]:
    """Intervals of all that risks decide."""
    yield from means(num_draws)
    yield from resampled(num_resampled, num_replicates)


def cohort(rng: np.random.Generator, num: int, centre: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and risks that are a little too sure of themselves, (N,)."""
    odds = 1.3 * rng.standard_normal(num) + centre
    return (rng.random(num) < expit(odds)).astype(int), expit(1.1 * odds)


def means(num_draws: int) -> Iterator[Regime]:
    """Intervals of ratios and means of subjects."""
    estimands: dict[str, Callable[..., Estimand]] = {
        "observed / expected": Ratio.observed_expected,
        "net benefit over treat none": lambda label, score: net_benefit_gain(label, score, 0.2, "treat_none"),
        "net benefit over treat all": lambda label, score: net_benefit_gain(label, score, 0.2, "treat_all"),
        "brier": lambda label, score: Mean.over((score - label) ** 2),
    }
    for centre in (-1.0, -2.8):
        whole = cohort(np.random.default_rng(3), NUM_TRUTH, centre)
        for name, of in estimands.items():
            for num in (100, 400, 1500):

                def estimate(rng: np.random.Generator, num: int = num, of: Callable[..., Estimand] = of) -> Estimand:
                    return of(*cohort(rng, num, centre))  # noqa: B023

                regime = f"{num} subjects, {whole[0].mean():.0%} positive"
                yield name, regime, of(*whole).value, drawn(estimate, num_draws)


def resampled(num_draws: int, num_replicates: int) -> Iterator[Regime]:
    """Intervals by the bootstrap."""
    for centre in (-1.0, -2.8):
        label, score = cohort(np.random.default_rng(3), NUM_TRUTH, centre)
        for measure in MEASURES:
            truth = Bootstrapped.of(measure, label, score, num_replicates=20).value
            for num in (200, 600):

                def estimate(rng: np.random.Generator, num: int = num, measure: object = measure) -> Estimand:
                    sample = cohort(rng, num, centre)  # noqa: B023
                    return Bootstrapped.of(measure, *sample, num_replicates=num_replicates)  # type: ignore[arg-type]

                regime = f"{num} subjects, {label.mean():.0%} positive"
                yield f"bootstrap of {measure.__name__}", regime, truth, drawn(estimate, num_draws)
