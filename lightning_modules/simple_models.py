"""Simple models that a fusion must beat: logistic regression and boosted trees on all inputs side by side, and others.

Both are told which modalities are present, by indicators and by NaN. Either can be trained on masked copies too, which
gives a simple model most of the robustness that modality masking gives a network. The others are logistic regression on
presence alone, which says what missingness itself tells, and those of `modality_models`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from lightning_modules.boosting import snapped, without_gaps
from lightning_modules.masking import ModalityMasking
from lightning_modules.modality_models import NUM_THREADS, fit_best_modality, fit_late_fusion
from lightning_modules.rows import Rows
from lightning_modules.subsets import Scorer
from lightning_modules.tuned import Table, fit_tuned, ridges

KINDS = ("logistic", "boosting")
MASKED = "_masked"
NAMES = tuple(f"{kind}{copies}" for kind in KINDS for copies in ("", MASKED))
PRESENCE = "presence"
OF_MODALITIES = {"late_fusion": fit_late_fusion, "best_modality": fit_best_modality}
BASELINES = (*KINDS, *OF_MODALITIES, PRESENCE)
NUM_COPIES = 2


def fit_simple(name: str, training: Rows, tuning: Rows, masking: ModalityMasking | None, *, seed: int) -> Scorer:
    """Fit a simple model; its one setting is the one with the lowest log loss of the tuning people.

    New people are scored by a fit to training and tuning people, as networks with cross-fitting groups are trained on
    both; tuning people, who are given with their groups, by the fit to training people that never saw them.

    Args:
        name: One of NAMES or BASELINES; those that end in `_masked` are trained on the people and on masked copies of
            them.
        training: Rich and sparse people.
        tuning: Sparse people.
        masking: What a copy hides; None where none is asked for.
        seed: Of masking and trees.

    Returns:
        From inputs and presence to risks.
    """
    if name in OF_MODALITIES:
        return OF_MODALITIES[name](training, tuning, seed=seed)
    kind = name.removesuffix(MASKED)
    assert masking is not None or not name.endswith(MASKED), "masked copies need a masking"

    def table(rows: Rows) -> Table:
        copies = [rows.presence]
        if masking is not None and name.endswith(MASKED):
            generator, whole = torch.Generator().manual_seed(seed), torch.as_tensor(rows.presence)
            copies += [masking(whole, generator).numpy() for _ in range(NUM_COPIES)]
        columns = np.concatenate([table_of(rows.inputs, presence, kind) for presence in copies])
        if kind == "boosting":
            columns = without_gaps(np.column_stack([snapped(column) for column in columns.T]))
        return Table(columns, np.tile(rows.label, len(copies)), np.tile(rows.weight, len(copies)))

    held = Table(table_of(tuning.inputs, tuning.presence, kind), tuning.label, tuning.weight)
    with threadpool_limits(NUM_THREADS):
        candidates = _trees(seed) if kind == "boosting" else ridges()
        best = fit_tuned(candidates, table(training), held, table(training.with_more(tuning)))

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
        with threadpool_limits(NUM_THREADS):
            risks: np.ndarray = best.by(group).predict_proba(table_of(inputs, presence, kind))[:, 1].astype(float)
        return risks

    return score


def table_of(inputs: Mapping[str, np.ndarray], presence: np.ndarray, kind: str) -> np.ndarray:
    """All inputs and presence, float (N, F + M); inputs of an absent modality are 0 (logistic) or NaN (boosting).

    Of the kind `presence`, that alone, (N, M).
    """
    absent = np.nan if kind == "boosting" else 0.0
    blocks = [np.where(presence[:, [m]], values, absent) for m, values in enumerate(inputs.values())]
    return np.hstack([*([] if kind == PRESENCE else blocks), presence.astype(float)])


def _trees(seed: int) -> list[Any]:
    return [
        HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=rounds, max_leaf_nodes=leaves, early_stopping=False, random_state=seed
        )
        for rounds, leaves in ((60, 4), (150, 4), (100, 15))
    ]
