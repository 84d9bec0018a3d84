"""Calibration: from a network's logits to risks that mean what they say, overall and by pattern.

One family holds all methods. With p the uncalibrated risk, the calibrated logit is a ln(p) - b ln(1 - p) + c:
temperature has a = b and c = 0 (Guo et al., ICML 2017), Platt a = b (Platt, 1999), beta all three (Kull, Silva Filho
and Flach, AISTATS 2017). a and b stay above 0, so the order of two people with one pattern never turns.

The overall fit has a weak normal prior around "as it is"; it keeps a fit finite where the classes can be told apart
without error. A pattern's parameters have a normal prior around the overall ones, whose spread is chosen by evidence in
Laplace's approximation (MacKay, Neural Computation, 1992): patterns that do not differ share one fit, and those with
few people stay close to it. Patterns of fewer than 11 people, and those never seen, have the overall fit. A spread is a
change of the log odds, at the average score or for one standard deviation of it, so that timid logits are mended too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from lightning_modules.rows import log_losses

Method = Literal["none", "temperature", "platt", "beta"]
METHODS: tuple[Method, ...] = ("temperature", "platt", "beta")

AS_IT_IS = (1.0, 1.0, 0.0)
LEAST_PEOPLE = 11
LEAST_SLOPE = 0.01
PRIOR_SPREAD = 1.0
FLAT = 100.0
SMALLEST = 1e-6
SPREADS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Scored:
    """Tuning people with their scores.

    Attributes:
        logits: Uncalibrated, float64 (N,).
        label: 1.0 positive, 0.0 negative, float64 (N,).
        weight: Weight in the cohort, float64 (N,), above 0.
        pattern: Names of the patterns, texts (N,).
    """

    logits: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    pattern: np.ndarray

    def __len__(self) -> int:
        return len(self.logits)

    def take(self, rows: np.ndarray) -> "Scored":
        """The people at these positions, or where this mask is True."""
        return Scored(self.logits[rows], self.label[rows], self.weight[rows], self.pattern[rows])

    @property
    def counted(self) -> np.ndarray:
        """Weights that add up to the effective number of people (Kish, 1965), so that priors weigh as they should."""
        return self.weight * self.weight.sum() / (self.weight**2).sum()


@dataclass(frozen=True)
class Calibration:
    """A fitted map from logits to logits; plain data.

    Attributes:
        method: How it was fitted.
        overall: a, b and c for patterns that have none of their own.
        by_pattern: Pattern to its a, b and c.
    """

    method: Method = "none"
    overall: tuple[float, ...] = AS_IT_IS
    by_pattern: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for a, b, c in (self.overall, *self.by_pattern.values()):
            assert min(a, b) > 0, "a calibration must be increasing"
            assert np.isfinite([a, b, c]).all(), "a calibration must be finite"

    def __call__(self, logits: np.ndarray, pattern: np.ndarray) -> np.ndarray:
        """Calibrated logits, float64 (N,), of logits (N,) of people with these patterns (N,)."""
        if self.method == "none":
            return logits
        names, index = np.unique(pattern.astype(str), return_inverse=True)
        a, b, c = np.array([self.by_pattern.get(name, self.overall) for name in names]).reshape(-1, 3)[index].T
        return c - a * np.logaddexp(0, -logits) + b * np.logaddexp(0, logits)

    def state(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """From what `state` gave."""
        by_pattern = {name: tuple(values) for name, values in state["by_pattern"].items()}
        return cls(state["method"], tuple(state["overall"]), by_pattern)


def fit_calibration(people: Scored, method: Method, *, by_pattern: bool) -> Calibration:
    """Fit by penalised, weighted log loss.

    Args:
        people: Whom to fit on; nobody who was trained on.
        method: "none" leaves the scores as they are.
        by_pattern: Whether patterns of at least 11 people may have parameters of their own.
    """
    if method == "none":
        return Calibration()
    weight, nobody_apart = people.counted, np.zeros(len(people), dtype=int)
    columns = _design(people.logits, method)
    back = _standardising(columns, weight, method)
    design, start = columns @ back, np.linalg.solve(back, _parameters(AS_IT_IS, method))
    lower = LEAST_SLOPE / np.diag(back)
    overall = _fit(design, people.label, weight, nobody_apart, start, PRIOR_SPREAD, lower=lower)[0]
    names, index, counts = np.unique(people.pattern.astype(str), return_inverse=True, return_counts=True)
    frequent = np.flatnonzero(counts >= LEAST_PEOPLE)
    everybody = Calibration(method, _triple(back @ overall, method))
    if not by_pattern or not len(frequent):
        return everybody
    rows = np.isin(index, frequent)
    group = np.searchsorted(frequent, index[rows])
    some = (design[rows], people.label[rows], weight[rows], group)
    fits = [_fit(*some, overall, spread, lower=lower) for spread in SPREADS]
    evidence = [_log_evidence(fit, *some, overall, spread) for fit, spread in zip(fits, SPREADS, strict=True)]
    best = int(np.argmax(evidence))
    if SPREADS[best] == 0:
        return everybody
    own = {str(names[g]): _triple(back @ fits[best][i], method) for i, g in enumerate(frequent)}
    return Calibration(method, everybody.overall, own)


def reliability(people: Scored, logits: np.ndarray) -> dict[str, float]:
    """How far risks can be believed, with the weights of the people.

    Args:
        people: Their labels and weights.
        logits: What is judged, float64 (N,).

    Returns:
        Log loss, Brier score, slope and intercept (Cox, 1958): the slope of the label's log odds on the logit, 1 at
        best and below it where risks are too extreme; the intercept with the slope held at 1, 0 at best and below it
        where risks are too high.
    """
    weight, together = people.counted, np.zeros(len(people), dtype=int)
    one, free = np.ones((len(logits), 1)), -np.inf
    line = _fit(np.column_stack([logits, one]), people.label, weight, together, np.array([1.0, 0.0]), FLAT, lower=free)
    level = _fit(one, people.label, weight, together, np.zeros(1), FLAT, lower=free, offset=logits)
    return {
        "log_loss": float(np.average(log_losses(logits, people.label), weights=weight)),
        "brier": float(np.average((expit(logits) - people.label) ** 2, weights=weight)),
        "slope": float(line[0, 0]),
        "intercept": float(level[0, 0]),
    }


def _design(logits: np.ndarray, method: Method) -> np.ndarray:
    columns = {
        "temperature": (logits,),
        "platt": (logits, np.ones_like(logits)),
        "beta": (-np.logaddexp(0, -logits), np.logaddexp(0, logits), np.ones_like(logits)),
    }
    return np.column_stack(columns[method])


def _standardising(columns: np.ndarray, weight: np.ndarray, method: Method) -> np.ndarray:
    """A (P, P), by which columns (N, P) become standardised, and standardised parameters those of the columns."""
    back = np.eye(columns.shape[1])
    if method == "temperature":  # has no constant that could take up a mean
        back[0, 0] = 1 / max(np.sqrt(np.average(columns[:, 0] ** 2, weights=weight)), SMALLEST)
        return back
    for place in range(columns.shape[1] - 1):
        mean = np.average(columns[:, place], weights=weight)
        spread = max(np.sqrt(np.average((columns[:, place] - mean) ** 2, weights=weight)), SMALLEST)
        back[place, place], back[-1, place] = 1 / spread, -mean / spread
    return back


def _parameters(triple: tuple[float, ...], method: Method) -> np.ndarray:
    return np.array(triple)[{"temperature": [0], "platt": [0, 2], "beta": [0, 1, 2]}[method]]


def _triple(parameters: np.ndarray, method: Method) -> tuple[float, ...]:
    places = {"temperature": (0, 0, None), "platt": (0, 0, 1), "beta": (0, 1, 2)}[method]
    return tuple(0.0 if place is None else round(float(parameters[place]), 6) for place in places)


def _fit(
    design: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    group: np.ndarray,
    centre: np.ndarray,
    spread: float,
    *,
    lower: np.ndarray | float,
    offset: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Parameters (G, P) of G groups, each drawn towards the centre (P,) by a normal prior of this spread."""
    num_groups, size = int(group.max()) + 1, len(centre)
    start = np.tile(centre, (num_groups, 1))
    if spread == 0:
        return start

    def penalised(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = flat.reshape(num_groups, size)
        logits = (design * parameters[group]).sum(axis=1) + offset
        error, away = weight * (expit(logits) - label), parameters - start
        slope = np.column_stack([np.bincount(group, error * column, num_groups) for column in design.T])
        value = weight @ log_losses(logits, label) + 0.5 * (away**2).sum() / spread**2
        return float(value), (slope + away / spread**2).ravel()

    slopes = 1 if size < 3 else 2
    least = np.broadcast_to(lower, size)[:slopes]
    bounds = [(float(value), None) for value in least] + [(None, None)] * (size - slopes)
    return minimize(penalised, start.ravel(), jac=True, bounds=bounds * num_groups).x.reshape(num_groups, size)


def _log_evidence(
    fitted: np.ndarray,
    design: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    group: np.ndarray,
    centre: np.ndarray,
    spread: float,
) -> float:
    """Logarithm of the labels' probability under this spread of the groups, in Laplace's approximation."""
    logits = (design * fitted[group]).sum(axis=1)
    fit = -(weight @ log_losses(logits, label))
    if spread == 0:
        return float(fit)
    risk = expit(logits)
    curvature = np.zeros((len(fitted), len(centre), len(centre)))
    np.add.at(curvature, group, (weight * risk * (1 - risk))[:, None, None] * design[:, :, None] * design[:, None, :])
    volume = np.linalg.slogdet(np.eye(len(centre)) + spread**2 * curvature)[1].sum()
    return float(fit - 0.5 * ((fitted - centre) ** 2).sum() / spread**2 - 0.5 * volume)
