"""A model's scores of complete subjects when only some modalities are shown, as the modality audit reads them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.missingness import pattern_names
from lightning_modules.bundle import Bundle
from lightning_modules.subsets import (
    bundle_scorer,
    common_modalities,
    deployed_presence,
    scores_under,
    subsets_within,
)
from validation.subsets import DRAWN, MISSINGNESS

MOST_SUBJECTS = 2000
NUM_DRAWS = 5  # of each missingness


def subset_scores(bundle: Bundle, cohort: Cohort) -> pd.DataFrame:
    """Calibrated scores of those who have all common modalities, under subsets of these; nothing is trained again.

    Up to six common modalities under all 2^M - 1 subsets, more under 64 (or 2 M + 1) that are sampled. Of more than
    2,000 complete subjects, so many are chosen at random with a fixed seed, whatever their labels and weights.

    Args:
        bundle: Trained model.
        cohort: Labelled held-out subjects with the bundle's modalities.

    Returns:
        One row a chosen subject: subject_id, a column a subset, named by its pattern ("clinical+ecg"), and columns
        `missingness.NAME.NUMBER`, in which each subject shows what was drawn for it. No row and no subset where no
        modality is common to enough subjects.
    """
    modalities = bundle.network.modalities
    presence = cohort.presence_of(modalities)
    common = common_modalities(presence, cohort.label)
    if not common.any():
        return pd.DataFrame({"subject_id": np.array([], dtype=object)})
    complete = np.flatnonzero(presence[:, common].all(axis=1))
    chosen = np.sort(np.random.default_rng(0).permutation(complete)[:MOST_SUBJECTS])
    some = cohort.take(chosen)
    scorer, inputs = bundle_scorer(bundle), bundle.preprocessing.transform(some)
    subsets = subsets_within(common)
    columns = dict(
        zip(
            pattern_names(subsets, modalities).tolist(),
            scores_under(scorer, inputs, presence[chosen], subsets),
            strict=True,
        )
    )
    everything = np.ones((1, len(modalities)), dtype=bool)
    for name, shown in _drawn(presence & common, common, cohort.weight, len(chosen)):
        columns[name] = scores_under(scorer, inputs, shown, everything)[0]
    return pd.DataFrame({"subject_id": some.subject_id.astype(str), **columns})


def _drawn(
    presence: np.ndarray, common: np.ndarray, weight: np.ndarray, num_subjects: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Column and what each of the chosen subjects shows, bool (n, M), of each draw of each missingness."""
    share = np.average(presence, axis=0, weights=weight)
    order = np.flatnonzero(common)[np.argsort(share[common], kind="stable")]
    exchanged = share.copy()
    exchanged[order] = share[order[::-1]]
    some = np.flatnonzero(presence.any(axis=1))
    rows = np.random.default_rng(0).choice(some, (NUM_DRAWS, num_subjects), p=weight[some] / weight[some].sum())
    complete = np.broadcast_to(common, (num_subjects, len(common)))
    shown = (
        presence[rows],
        deployed_presence(complete, share, num_draws=NUM_DRAWS),
        deployed_presence(complete, exchanged, num_draws=NUM_DRAWS),
    )
    for name, draws in zip(MISSINGNESS, shown, strict=True):
        yield from ((f"{DRAWN}{name}.{number}", draw) for number, draw in enumerate(draws))
