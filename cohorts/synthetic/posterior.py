"""From what measurements say about the latent state to the Bayes score."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

NUM_NODES = 48  # of a one-dimensional Gauss-Hermite sum
NUM_NODES_2D = 32  # of each dimension of a two-dimensional one
CHUNK = 4096  # subjects at once in a two-dimensional sum


@dataclass(frozen=True, repr=False)
class Evidence:
    """What one modality says about z of n subjects, as factors exp(-z'Pz/2 + h'z) of the likelihood.

    Attributes:
        rows: Positions of those who have the modality, int (n,).
        precision: P, float64 (n, K, K), or (1, K, K) where it is the same for all.
        information: h, float64 (n, K).
    """

    rows: np.ndarray
    precision: np.ndarray
    information: np.ndarray


def linear_evidence(values: np.ndarray, loading: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and information of independent measurements x = W z + noise.

    Args:
        values: float (n, F), NaN where absent.
        loading: W, float64 (F, K).
        noise: Standard deviations, float64 (F,), or (n, F).

    Returns:
        float64 (n, K, K) and (n, K).
    """
    seen = ~np.isnan(values)
    certainty = np.where(seen, 1 / noise**2, 0.0)
    size = loading.shape[1]
    outer = (loading[:, :, None] * loading[:, None, :]).reshape(len(loading), -1)
    return (certainty @ outer).reshape(-1, size, size), np.where(seen, values * certainty, 0.0) @ loading


def moments_along(
    prior_mean: np.ndarray, evidence: list[tuple[Evidence, np.ndarray]], directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of D projections of z, given evidence and the prior N(prior_mean, I).

    Args:
        prior_mean: float64 (N, K).
        evidence: By modality, with who may use it: bool (N,).
        directions: float64 (D, K).

    Returns:
        float64 (N, D) and (N, D, D).
    """
    num_subjects, size = prior_mean.shape
    precision = np.tile(np.eye(size), (num_subjects, 1, 1))
    information = prior_mean.copy()
    for part, used in evidence:
        chosen = used[part.rows]
        rows = part.rows[chosen]
        precision[rows] += part.precision if len(part.precision) == 1 else part.precision[chosen]
        information[rows] += part.information[chosen]
    sides = np.concatenate([information[:, :, None], np.tile(directions.T, (num_subjects, 1, 1))], axis=2)
    solved = np.linalg.solve(precision, sides)
    return solved[:, :, 0] @ directions.T, np.einsum("dk,nke->nde", directions, solved[:, :, 1:])


def expected_risk(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """E[sigmoid(l)] of Gaussian log odds l, (N,) each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NUM_NODES)
    return expit(mean[:, None] + np.sqrt(variance)[:, None] * nodes) @ (weights / weights.sum())


def expected_risk_given_presence(
    mean: np.ndarray,
    covariance: np.ndarray,
    odds: np.ndarray,
    effect: np.ndarray,
    present: np.ndarray,
    telling: np.ndarray,
) -> np.ndarray:
    """E[sigmoid(l) | presence], where P(present | u) = sigmoid(odds + effect u), and (l, u) is jointly Gaussian.

    Args:
        mean: Of (l, u), float64 (N, 2).
        covariance: float64 (N, 2, 2).
        odds: Log odds of presence at u = 0, float64 (N, M).
        effect: Log odds per unit of u, float64 (M,).
        present: bool (N, M).
        telling: Which entries of `present` are the outcome of that draw, bool (N, M); the others say nothing.

    Returns:
        float64 (N,).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NUM_NODES_2D)
    scores = np.empty(len(mean))
    for start in range(0, len(mean), CHUNK):
        part = slice(start, start + CHUNK)
        spread = np.sqrt(covariance[part, 1, 1])
        along = covariance[part, 0, 1] / spread
        rest = np.sqrt(np.maximum(covariance[part, 0, 0] - along**2, 0.0))
        log_odds = odds[part, None, :] + effect * (mean[part, 1, None] + spread[:, None] * nodes)[:, :, None]
        sign = np.where(present[part], 1, -1)[:, None, :]
        likelihood = np.where(telling[part, None, :], log_expit(sign * log_odds), 0.0).sum(axis=2)
        posterior = weights * np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        centre = mean[part, 0, None] + along[:, None] * nodes
        risk = expit(centre[:, :, None] + rest[:, None, None] * nodes) @ (weights / weights.sum())
        scores[part] = (posterior * risk).sum(axis=1) / posterior.sum(axis=1)
    return scores
