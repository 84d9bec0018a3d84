"""How models degrade as modalities are removed: AUROC and log loss of the same people, with intervals, always paired.

Counts: N subjects, K draws of what is present, or subsets of one size, whose figures are averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cohorts.statistics import delong, logit_interval, mean_and_covariance
from validation.statistics import normal_interval

ALPHA = 0.025  # one-sided
SMALLEST_RISK = 1e-7
METRICS = ("auroc", "log_loss")


@dataclass(frozen=True)
class Scored:
    """One part of the people, with the scores of every model.

    Attributes:
        label: 1 positive, 0 negative, (N,).
        weight: Survey or sampling weight, (N,), above 0; all equal where there are none.
        deployed: Model to scores of everybody at deployment, float (K, N): K draws of what is present.
        complete: Who has all the modalities whose subsets are looked at, bool (N,).
        under: Model to scores of these, float (S, n), under each of S subsets.
        presence: What people have of M modalities, bool (N, M).
        without: Model to scores of everybody, float (1 + M, N): with what they have, and without each modality; NaN
            where nothing is left.
    """

    label: np.ndarray
    weight: np.ndarray
    deployed: Mapping[str, np.ndarray]
    complete: np.ndarray
    under: Mapping[str, np.ndarray]
    presence: np.ndarray
    without: Mapping[str, np.ndarray]

    @property
    def equal_weights(self) -> bool:
        """Whether nobody weighs more than others."""
        return bool(np.all(self.weight == self.weight[:1]))


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Measured:
    """AUROC and log loss of several models on the same people.

    Attributes:
        models: Names.
        mean: Metric to the figure of each model, (models,).
        covariance: Metric to the covariance of these, (models, models), so that differences are paired.
    """

    models: tuple[str, ...]
    mean: Mapping[str, np.ndarray]
    covariance: Mapping[str, np.ndarray]

    def estimate(self, metric: str, model: str) -> Estimate:
        """One model's figure."""
        i = self.models.index(model)
        value, variance = float(self.mean[metric][i]), float(self.covariance[metric][i, i])
        bounds = logit_interval if metric == "auroc" else normal_interval
        return Estimate(value, *bounds(value, variance, ALPHA))

    def difference(self, metric: str, model: str, other: str) -> Estimate:
        """One model's figure minus another's, paired by person."""
        return self.contrast(metric, [(1, model), (-1, other)])

    def contrast(self, metric: str, terms: Sequence[tuple[float, str]]) -> Estimate:
        """A sum of models' figures, each times its factor, paired by person."""
        factors = np.zeros(len(self.models))
        for factor, model in terms:
            factors[self.models.index(model)] += factor
        value = float(factors @ self.mean[metric])
        variance = max(0.0, float(factors @ self.covariance[metric] @ factors))
        return Estimate(value, *normal_interval(value, variance, ALPHA))


def measure(label: np.ndarray, weight: np.ndarray | None, scores: Mapping[str, np.ndarray]) -> Measured:
    """AUROC (DeLong) and log loss of models, each the mean over its K rows of scores.

    Args:
        label: 1 positive, 0 negative, (N,), both of them there.
        weight: Of the people, (N,); None for equal ones.
        scores: Model to float (K, N), 0 to 1.

    Returns:
        Figures with their covariance over people; the mean over K is taken before anything else, so that K draws of one
        person are not K people.
    """
    models = tuple(scores)
    stacked = np.concatenate([scores[name] for name in models])
    average = np.zeros((len(models), len(stacked)))
    at = 0
    for row, name in enumerate(models):
        average[row, at : at + len(scores[name])] = 1 / len(scores[name])
        at += len(scores[name])
    areas, covariance = delong(label, stacked, weight)
    losses = average @ losses_of(label, stacked)
    mean, of_losses = mean_and_covariance(losses, weight)
    return Measured(
        models,
        {"auroc": average @ areas, "log_loss": mean},
        {"auroc": average @ covariance @ average.T, "log_loss": of_losses},
    )


def losses_of(label: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Log loss of each score, float64 (K, N); scores are kept away from 0 and 1 by 1e-7."""
    safe = np.clip(scores, SMALLEST_RISK, 1 - SMALLEST_RISK)
    return -np.log(np.where(label == 1, safe, 1 - safe))


def measure_deployed(part: Scored) -> Measured:
    """Everybody of a part, with what they have at deployment."""
    return measure(part.label, None if part.equal_weights else part.weight, part.deployed)


def measure_under(part: Scored, chosen: np.ndarray) -> Measured:
    """Those who have all common modalities, under the mean of some subsets.

    Args:
        part: With n complete people.
        chosen: Which of the S subsets, bool (S,).
    """
    complete = part.complete
    weight = None if part.equal_weights else part.weight[complete]
    return measure(part.label[complete], weight, {name: values[chosen] for name, values in part.under.items()})


def strongest_modality(part: Scored, model: str, among: np.ndarray) -> int:
    """The modality without which a model's log loss rises most, on average over those who have it and something else.

    Args:
        part: Whose figures choose.
        model: Which model.
        among: Modalities that may be chosen, bool (M,), at least one.

    Returns:
        Position of the modality.
    """
    losses = losses_of(part.label, part.without[model])
    rises = np.full(len(among), -np.inf)
    for m in np.flatnonzero(among):
        having = part.presence[:, m] & np.isfinite(losses[1 + m])
        if having.any():
            rises[m] = np.average((losses[1 + m] - losses[0])[having], weights=part.weight[having])
    return int(np.argmax(rises))


def measure_loss(part: Scored, whole: int, without: int, models: tuple[str, ...]) -> Measured:
    """Each model twice, under two subsets, so that what it loses from one to the other can be had paired.

    Args:
        part: With n complete people.
        whole: Position of the larger subset.
        without: Position of the smaller one.
        models: Names; the second figures are those of the names with a trailing "-".
    """
    scores = {name: part.under[name][[whole]] for name in models}
    scores |= {f"{name}-": part.under[name][[without]] for name in models}
    weight = None if part.equal_weights else part.weight[part.complete]
    return measure(part.label[part.complete], weight, scores)
