"""Samples with a known truth of rates, their gaps, and areas, and the bounds that the judge gives for each."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import binom, norm

from cohorts.statistics import wilson
from validation.estimands import Auroc, Estimand, Mean
from validation.paired import PairedGap
from validation.statistics import newcombe

ALPHA = 0.025
Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Lower, upper, and the chance of the sample, each (D,)."""
Regime = tuple[str, str, float, Bounds]
"""Interval, regime, truth, bounds."""


def of_rates(num_draws: int) -> Iterator[Regime]:
    """Intervals of all that counts and ranks decide."""
    yield from rates()
    yield from gaps(num_draws)
    yield from pairs(num_draws)
    yield from areas(num_draws)


def rates() -> Iterator[Regime]:
    """Wilson's interval, over all counts."""
    for total in (20, 50, 200, 1000):
        for share in (0.7, 0.85, 0.95):
            counts = np.arange(total + 1)
            bounds = wilson(counts, np.full(total + 1, total), ALPHA)
            yield "wilson", f"{total} subjects, rate {share}", share, (*bounds, binom.pmf(counts, total, share))


def gaps(num_draws: int) -> Iterator[Regime]:
    """Newcombe's interval of a group and its complement."""
    rng = np.random.default_rng(1)
    for group, others in ((20, 200), (60, 300), (200, 2000)):
        for first, second in ((0.8, 0.85), (0.9, 0.9)):
            a, b = rng.binomial(group, first, num_draws), rng.binomial(others, second, num_draws)
            lower, upper = newcombe(a, np.full(num_draws, group), b, np.full(num_draws, others), ALPHA)
            regime = f"{group} with rate {first}, {others} with {second}"
            yield "newcombe", regime, first - second, (lower, upper, equal(num_draws))


def pairs(num_draws: int) -> Iterator[Regime]:
    """Tango's interval, and Newcombe's for pairs (Stat Med 17, 1998, 2635-2650, method 10), which is not used."""
    rng = np.random.default_rng(2)
    for total in (30, 100, 400):
        for both, gained, lost in ((0.75, 0.05, 0.05), (0.8, 0.02, 0.04), (0.6, 0.15, 0.1)):
            counts = rng.multinomial(total, [both, gained, lost, 1 - both - gained - lost], num_draws)
            regime = f"{total} subjects, {gained} right by one only and {lost} by the other"
            tango = [PairedGap(c[1], c[2], total).interval(ALPHA) for c in counts.tolist()]
            yield "tango", regime, gained - lost, (*np.array(tango).T, equal(num_draws))
            yield "newcombe for pairs, not used", regime, gained - lost, (*_newcombe_pairs(counts), equal(num_draws))

    def weighted(rng: np.random.Generator) -> Estimand:
        heavy, right = np.arange(300) < 100, rng.random((2, 300))
        first, second = right[0] < np.where(heavy, 0.75, 0.85), right[0] + 0.2 * (right[1] - 0.5) < 0.8
        return PairedGap.of(first, second, np.where(heavy, 4.0, 1.0))

    truth = (400 * 0.75 + 200 * 0.85) / 600 - 0.8
    yield "tango, weighted", "300 subjects, weights 1 and 4", truth, drawn(weighted, num_draws)


def areas(num_draws: int) -> Iterator[Regime]:
    """DeLong's interval on the logit scale, and that of the gain over a control."""
    truth, lower = (float(norm.cdf(shift / np.sqrt(2))) for shift in (1.2, 1.2 / np.sqrt(1.25)))
    for positives, negatives in ((15, 60), (50, 200), (200, 800)):
        label = np.repeat([1, 0], [positives, negatives])

        def area(rng: np.random.Generator, label: np.ndarray = label) -> Estimand:
            return Auroc.of(label, 1.2 * label + rng.standard_normal(len(label)))

        def gain(rng: np.random.Generator, label: np.ndarray = label) -> Estimand:
            score = 1.2 * label + rng.standard_normal(len(label))
            return Mean.auroc_gain(label, score, score + 0.5 * rng.standard_normal(len(label)))

        regime = f"{positives} positives, {negatives} negatives"
        yield "delong", regime, truth, drawn(area, num_draws)
        yield "delong, paired", regime, truth - lower, drawn(gain, num_draws)


def _newcombe_pairs(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both, first, second, none = counts.T.astype(float)
    total = counts.sum(axis=1).astype(float)
    p, q = (both + first) / total, (both + second) / total
    (l1, u1), (l2, u2) = wilson(both + first, total, ALPHA), wilson(both + second, total, ALPHA)
    product = (both + first) * (second + none) * (both + second) * (first + none)
    cross = both * none - first * second
    cross = np.where(cross > total / 2, cross - total / 2, np.where(cross >= 0, 0.0, cross))
    phi = np.divide(cross, np.sqrt(product), out=np.zeros_like(cross), where=product > 0)
    low = (p - l1) ** 2 - 2 * phi * (p - l1) * (u2 - q) + (u2 - q) ** 2
    high = (q - l2) ** 2 - 2 * phi * (q - l2) * (u1 - p) + (u1 - p) ** 2
    return p - q - np.sqrt(low), p - q + np.sqrt(high)


def drawn(estimate: Callable[[np.random.Generator], Estimand], num_draws: int) -> Bounds:
    """Bounds of an estimand of as many samples, each from a generator of its own."""
    found = np.array([estimate(np.random.default_rng(seed)).interval(ALPHA) for seed in range(num_draws)])
    return found[:, 0], found[:, 1], equal(num_draws)


def equal(num_draws: int) -> np.ndarray:
    """The chance of each of as many samples."""
    return np.full(num_draws, 1 / num_draws)
