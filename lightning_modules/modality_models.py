"""Simple models of one modality at a time: the best of them alone, and late fusion of all of them.

Each is a ridge logistic regression on those who have the modality. An absent modality is not read. As
`simple_models.fit_simple` says, they score new people by what was fitted to training and tuning people, and tuning
people by what was fitted to training people alone. Shapes: N people, M modalities, K of them shown.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from lightning_modules.rows import Rows, log_losses
from lightning_modules.subsets import Scorer
from lightning_modules.tuned import Table, Tuned, fit_tuned, ridges

LEAST_OF_A_CLASS = 11  # training people who have a modality, from which it gets a model
NUM_FOLDS = 4
PULL = 1.0  # of weights towards the plain mean, as much as about one person
NUM_THREADS = 1
Models = Mapping[int, LogisticRegression]
"""Column of presence to the model of that modality."""


def fit_best_modality(training: Rows, tuning: Rows, *, seed: int) -> Scorer:
    """The modality whose model has the lowest log loss of all tuning people.

    Who lacks it, there and later, gets the share of positives among the tuning people.

    Args:
        training: Rich and sparse people.
        tuning: Sparse people.
        seed: Nothing here is drawn.
    """
    with threadpool_limits(NUM_THREADS):
        tuned = _fit_each(training, tuning)
    prior = _prior(tuning)
    by_modality = np.nan_to_num(_logits(tuned.of_training, tuning.inputs, tuning.presence), nan=prior)
    losses = [np.average(log_losses(each, tuning.label), weights=tuning.weight) for each in by_modality.T]
    best = int(np.argmin(losses))

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
        risks: np.ndarray = expit(np.nan_to_num(_logits(tuned.by(group), inputs, presence)[:, best], nan=prior))
        return risks

    return score


def fit_late_fusion(training: Rows, tuning: Rows, *, seed: int) -> Scorer:
    """Log odds of the present modalities, added up with weights of their own for every pattern of presence.

    For a pattern, the weights are fitted to all training people who have at least that, and to no more of what they
    have; their log odds are cross-fitted, so that no modality counts for what it learnt by heart (Wolpert, Neural
    Networks 5, 1992, 241-259). Who has nothing gets the share of positives among the tuning people.

    Args:
        training: Rich and sparse people.
        tuning: Sparse people, who choose the penalty of each modality.
        seed: Of the folds.
    """
    with threadpool_limits(NUM_THREADS):
        tuned, prior = _fit_each(training, tuning), _prior(tuning)
        fused = Tuned(
            _fused(tuned.of_training, training, prior, seed),
            _fused(tuned.of_both, training.with_more(tuning), prior, seed),
        )

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
        with threadpool_limits(NUM_THREADS):
            risks: np.ndarray = expit(fused.by(group)(inputs, presence))
        return risks

    return score


def _fused(
    models: Models, people: Rows, prior: float, seed: int
) -> Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]:
    """Late fusion by these models, its weights fitted to people: from inputs and presence to log odds, (N,)."""
    known = _cross_fitted(models, people, seed)
    relative = people.weight / people.weight.mean()
    fitted: dict[bytes, np.ndarray] = {}

    def weights_for(pattern: np.ndarray) -> np.ndarray:
        key = pattern.tobytes()
        if key not in fitted:
            having = ~np.isnan(known[:, pattern]).any(axis=1)
            fitted[key] = combination(known[having][:, pattern], people.label[having], relative[having])
        return fitted[key]

    def log_odds(inputs: Mapping[str, np.ndarray], presence: np.ndarray) -> np.ndarray:
        logits, found = _logits(models, inputs, presence), np.full(len(presence), prior)
        shown = ~np.isnan(logits)
        for pattern in np.unique(shown[shown.any(axis=1)], axis=0):
            who = (shown == pattern).all(axis=1)
            weights = weights_for(pattern)
            found[who] = logits[who][:, pattern] @ weights[:-1] + weights[-1]
        return found

    return log_odds


def combination(logits: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights of log odds, none of them below 0 (Breiman, Machine Learning 24, 1996, 49-64), with the lowest log loss.

    They are drawn a little towards equal ones that add up to 1, which is what they are where there is nobody.

    Args:
        logits: (N, K).
        label: 1 positive, 0 negative, (N,).
        weight: Of a person's loss, (N,), 1 on average.

    Returns:
        The K weights and the intercept, (K + 1,).

    Example:
        >>> combination(np.zeros((0, 2)), np.zeros(0), np.zeros(0)).tolist()
        [0.5, 0.5, 0.0]
    """
    columns = np.column_stack([logits, np.ones(len(logits))])
    start = np.append(np.full(logits.shape[1], 1 / logits.shape[1]), 0.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        fused, apart = columns @ weights, weights - start
        slope = columns.T @ (weight * (expit(fused) - label)) + PULL * apart
        return float(weight @ log_losses(fused, label) + PULL / 2 * apart @ apart), slope

    bounds = [(0, None)] * logits.shape[1] + [(None, None)]
    found: np.ndarray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found


def _fit_each(training: Rows, tuning: Rows) -> Tuned:
    """The model of each modality that enough people of both classes have: `Models`, twice."""
    models, both = {}, training.with_more(tuning)
    for m in range(training.presence.shape[1]):
        having = _having(training, m)
        if np.bincount(having.label.astype(int), minlength=2).min() >= LEAST_OF_A_CLASS:
            models[m] = fit_tuned(ridges(), having, _having(tuning, m), _having(both, m))
    return Tuned({m: each.of_training for m, each in models.items()}, {m: each.of_both for m, each in models.items()})


def _having(rows: Rows, m: int) -> Table:
    """The inputs of a modality, and who has it."""
    has = rows.presence[:, m]
    return Table(list(rows.inputs.values())[m][has], rows.label[has], rows.weight[has])


def _logits(models: Models, inputs: Mapping[str, np.ndarray], presence: np.ndarray) -> np.ndarray:
    """Log odds by each modality, float64 (N, M); NaN where it is absent or has no model."""
    found = np.full(presence.shape, np.nan)
    for m, values in enumerate(inputs.values()):
        has = presence[:, m]
        if m in models and has.any():
            found[has, m] = models[m].decision_function(values[has])
    return found


def _cross_fitted(models: Models, training: Rows, seed: int) -> np.ndarray:
    """The same of the training people, each by models that were fitted without the own fold."""
    found = np.full(training.presence.shape, np.nan)
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    for m, model in models.items():
        having = _having(training, m)
        weight = {"sample_weight": having.relative_weight}
        found[training.presence[:, m], m] = cross_val_predict(
            clone(model), having.columns, having.label, cv=folds, method="decision_function", params=weight
        )
    return found


def _prior(people: Rows) -> float:
    """Log odds of the share of positives."""
    return float(logit(np.average(people.label, weights=people.weight)))
