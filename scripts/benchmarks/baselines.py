"""What a user would take instead: tuned by six settings on the tuning split, then fitted to all training subjects.

Every baseline is fitted to rich and sparse subjects together. A setting is fitted to the training parts of the split,
and judged by its log loss on the sparse tuning part; the best one is fitted again to the training and tuning parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cohorts.cohort import Cohort
from cohorts.splits import Split
from lightning_modules.additive import LEAST_SCALE
from scripts.benchmarks.features import linear_table, masked_copies, tree_table

MOST_TREES, PATIENCE, RATE = 600, 30, 0.05
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Rows:
    """Inputs, float32 (n, F), and labels, (n,)."""

    inputs: np.ndarray
    label: np.ndarray


def logistic(setting: dict[str, Any], train: Rows, tuning: Rows | None, seed: int) -> Any:
    """Ridge logistic regression on standardised columns; what hardly varies is not blown up, so that 0 can be borne."""
    scaler = StandardScaler().fit(train.inputs)
    scaler.scale_ = np.maximum(scaler.scale_, LEAST_SCALE)
    model = LogisticRegression(max_iter=3000, **setting).fit(scaler.transform(train.inputs), train.label)
    return make_pipeline(scaler, model)


def random_forest(setting: dict[str, Any], train: Rows, tuning: Rows | None, seed: int) -> Any:
    """Scikit-learn's, which knows NaN."""
    return RandomForestClassifier(200, random_state=seed, n_jobs=1, **setting).fit(train.inputs, train.label)


def lightgbm(setting: dict[str, Any], train: Rows, tuning: Rows | None, seed: int) -> Any:
    """With a tuning part, as many trees as that wants; else as many as the setting says."""
    from lightgbm import Dataset, early_stopping
    from lightgbm import train as fit

    setting, num_trees = dict(setting), setting.get("num_trees", MOST_TREES)
    setting.pop("num_trees", None)
    options = {"objective": "binary", "learning_rate": RATE, "bagging_fraction": 0.8, "bagging_freq": 1}
    options |= {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": seed, **setting}
    data = Dataset(train.inputs, train.label)
    if tuning is None:
        return fit(options, data, num_trees)
    stop = early_stopping(PATIENCE, verbose=False)
    return fit(options, data, num_trees, valid_sets=[data.create_valid(tuning.inputs, tuning.label)], callbacks=[stop])


def xgboost(setting: dict[str, Any], train: Rows, tuning: Rows | None, seed: int) -> Any:
    """Likewise."""
    from xgboost import XGBClassifier

    options = {"learning_rate": RATE, "subsample": 0.8, "tree_method": "hist", "n_jobs": 1, "eval_metric": "logloss"}
    setting, num_trees = dict(setting), setting.get("num_trees", MOST_TREES)
    setting.pop("num_trees", None)
    options |= {"n_estimators": num_trees, "random_state": seed, **setting}
    if tuning is None:
        return XGBClassifier(**options).fit(train.inputs, train.label)
    model = XGBClassifier(early_stopping_rounds=PATIENCE, **options)
    return model.fit(train.inputs, train.label, eval_set=[(tuning.inputs, tuning.label)], verbose=False)


def _grid(first: str, values: Sequence[float], second: str, others: Sequence[Any]) -> list[dict[str, Any]]:
    return [{first: value, second: other} for value in values for other in others]


SETTINGS: dict[Callable[..., Any], list[dict[str, Any]]] = {
    logistic: [{"C": value} for value in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)],
    random_forest: _grid("min_samples_leaf", (2, 5, 10), "max_features", ("sqrt", 0.2)),
    lightgbm: [
        {"lambda_l2": 5.0, "feature_fraction": 0.5, **setting}
        for setting in _grid("num_leaves", (4, 8, 16), "min_data_in_leaf", (10, 40))
    ],
    xgboost: [
        {"reg_lambda": 5.0, "colsample_bytree": 0.5, **setting}
        for setting in _grid("max_depth", (2, 3, 5), "min_child_weight", (1, 8))
    ],
}
BASELINES = {
    "logistic": (logistic, False),
    "random_forest": (random_forest, False),
    "lightgbm": (lightgbm, False),
    "xgboost": (xgboost, False),
    "logistic_masked": (logistic, True),
    "lightgbm_masked": (lightgbm, True),
}


def fit_baseline(name: str, people: Cohort, split: Split, seed: int) -> tuple[Predict, dict[str, Any]]:
    """Tune and fit a baseline.

    Args:
        name: One of BASELINES; those that are masked are fitted to, and tuned on, masked copies of their rows too.
        people: All subjects; those of the part held_out are not looked at.
        split: Training and tuning parts.
        seed: Of the model and of the masks.

    Returns:
        A function of rows, int (n,), and of kept modalities, bool (n, M), that gives risks (n,); and the setting.
    """
    fit, masked = BASELINES[name]
    table = (linear_table if fit is logistic else tree_table)(people, split)
    patterns = people.presence[split.rows("sparse_train")]

    def rows_of(*parts: str) -> Rows:
        rows = split.rows(*parts)
        kept = people.presence[rows]
        if masked:
            kept = masked_copies(kept, patterns, seed)
            rows = np.tile(rows, len(kept) // len(rows))
        return Rows(table.shown(rows, kept), people.label[rows])

    train, tuning = rows_of("rich_train", "sparse_train"), rows_of("sparse_tuning")
    tried: list[tuple[float, int, dict[str, Any]]] = []
    for setting in SETTINGS[fit]:
        model = fit(setting, train, tuning, seed)
        loss = log_loss(tuning.label, _risk(model, tuning.inputs), labels=[0, 1])
        tried.append((loss, len(tried), {**setting, **_trees(model)}))
    chosen = min(tried)[2]
    model = fit(chosen, rows_of("rich_train", "sparse_train", "rich_tuning", "sparse_tuning"), None, seed)
    return lambda rows, kept: _risk(model, table.shown(rows, kept)), chosen


def _risk(model: Any, inputs: np.ndarray) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(inputs)[:, 1]
    return model.predict(inputs)  # LightGBM's own


def _trees(model: Any) -> dict[str, int]:
    """How many trees early stopping chose, where there was any."""
    best = getattr(model, "best_iteration", None)
    if best is None:
        return {}
    return {"num_trees": int(best) + hasattr(model, "predict_proba")}  # XGBoost counts from 0
