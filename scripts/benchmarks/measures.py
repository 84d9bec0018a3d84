"""How good scores are, and how far one model is from another over the same splits."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

MEASURES = ("auroc", "auprc", "brier", "log_loss", "calibration_slope")
SMALLEST = 1e-6


def measures(label: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """AUROC, AUPRC, Brier score, log loss, and the slope of a logistic regression of the label on the score's logit.

    Args:
        label: 0 or 1, (n,), both there.
        score: Risks, (n,), kept at least 1e-6 away from 0 and 1.
    """
    score = np.clip(np.asarray(score, dtype=float), SMALLEST, 1 - SMALLEST)
    odds = logit(score)[:, None]
    slope = LogisticRegression(C=np.inf, max_iter=1000).fit(odds, label).coef_[0, 0] if np.ptp(odds) > 0 else 0.0
    return {
        "auroc": float(roc_auc_score(label, score)),
        "auprc": float(average_precision_score(label, score)),
        "brier": float(brier_score_loss(label, score)),
        "log_loss": float(log_loss(label, score)),
        "calibration_slope": float(slope),
    }


def average_on_the_logit(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of several models' log odds, as risks."""
    kept = [logit(np.clip(np.asarray(score, dtype=float), SMALLEST, 1 - SMALLEST)) for score in scores]
    return expit(np.mean(kept, axis=0))


def regrets(label: np.ndarray, score: np.ndarray, best: np.ndarray) -> dict[str, float]:
    """What scores lack beside the best ones that there are: AUROC that is missing, and log loss that is too much."""
    ours, bayes = measures(label, score), measures(label, best)
    return {
        "bayes_auroc": _round(bayes["auroc"]),
        "auroc_regret": _round(bayes["auroc"] - ours["auroc"]),
        "log_loss_regret": _round(ours["log_loss"] - bayes["log_loss"]),
    }


def over_splits(values: Sequence[float]) -> dict[str, float]:
    """Mean, and standard deviation over the splits."""
    return {"mean": _round(np.mean(values)), "sd": _round(np.std(values, ddof=1) if len(values) > 1 else 0.0)}


def paired(ours: Sequence[float], theirs: Sequence[float], test_to_train: float) -> dict[str, float]:
    """Ours minus theirs over the same splits: mean, standard error and a 95 % interval.

    The standard error takes splits for independent, as is often done. The interval does not: training sets overlap, so
    its variance is multiplied by 1 + J n_test / n_train (Nadeau and Bengio, Machine Learning 52 (2003) 239-281).

    Args:
        ours: One value a split, (J,).
        theirs: Likewise, of the same splits.
        test_to_train: n_test / n_train.
    """
    difference = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    mean, num_splits = float(difference.mean()), len(difference)
    if num_splits < 2:
        return {"mean": _round(mean)}
    variance = float(difference.var(ddof=1))
    half = float(student.ppf(0.975, num_splits - 1)) * np.sqrt(variance * (1 / num_splits + test_to_train))
    error = np.sqrt(variance / num_splits)
    found = {"mean": mean, "se": error, "low": mean - half, "high": mean + half}
    return {name: _round(value) for name, value in found.items()}


def _round(value: float | np.floating) -> float:
    return round(float(value), 4)
