"""Scores under subsets of modalities: what a model says of the same people when some of what they have is hidden.

Counts: N subjects, M modalities, S subsets.
"""

import copy
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import torch

from lightning_modules.network import FusionNetwork

ROWS_AT_ONCE = 8192
MOST_COMPLETE = 6  # modalities up to which all subsets are looked at
NUM_SAMPLED = 64  # subsets of more modalities

Scorer = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
"""From inputs (modality to float (N, F)) and presence, bool (N, M) with a True in every row, to risks, float64 (N,)."""


def subsets_of(
    num_modalities: int, *, most_complete: int = MOST_COMPLETE, num_sampled: int = NUM_SAMPLED, seed: int = 0
) -> np.ndarray:
    """Subsets of modalities, none of them empty, the largest first.

    Args:
        num_modalities: M, at least 1.
        most_complete: Up to how many modalities all 2^M - 1 subsets are given.
        num_sampled: How many are given of more: the whole, all that lack one, all single ones, and the others drawn by
            size and then at random, so that every number of removed modalities is seen. At least 2 M + 1 are given.
        seed: Of the draw.

    Returns:
        bool (S, M), each once.

    Example:
        >>> subsets_of(2).tolist()
        [[True, True], [True, False], [False, True]]
    """
    everything = range(num_modalities)
    if num_modalities <= most_complete:
        chosen = [set(s) for size in range(num_modalities, 0, -1) for s in combinations(everything, size)]
    else:
        sized = (num_modalities, num_modalities - 1, 1)
        found = dict.fromkeys(frozenset(s) for size in sized for s in combinations(everything, size))
        draw = np.random.default_rng(seed)
        possible = 2**num_modalities - 1
        while len(found) < min(num_sampled, possible):
            size = int(draw.integers(2, num_modalities - 1)) if num_modalities > 3 else 2
            found[frozenset(draw.choice(num_modalities, size, replace=False).tolist())] = None
        chosen = sorted((set(s) for s in found), key=lambda s: (-len(s), sorted(s)))
    return np.array([[m in subset for m in everything] for subset in chosen])


def network_scorer(network: FusionNetwork) -> Scorer:
    """The scorer of a network, computed in float64 as `lightning_modules.scoring.score` does.

    Args:
        network: Its modalities are those of the inputs, and name the columns of presence.
    """
    exact = copy.deepcopy(network).double().eval()

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray) -> np.ndarray:
        scores = np.empty(len(presence))
        with torch.inference_mode():
            for start in range(0, len(presence), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                features = {name: torch.as_tensor(inputs[name][rows], dtype=torch.float64) for name in exact.modalities}
                scores[rows] = torch.sigmoid(exact(features, torch.as_tensor(presence[rows]))).numpy()
        return scores.round(9)

    return score


def scores_under(
    scorer: Scorer, inputs: Mapping[str, np.ndarray], presence: np.ndarray, subsets: np.ndarray
) -> np.ndarray:
    """Scores of the same subjects under each subset of modalities.

    Args:
        scorer: Of a network, or of anything that scores inputs and presence.
        inputs: Modality to inputs, float (N, F).
        presence: What each subject has, bool (N, M).
        subsets: bool (S, M); what a subject shows is what it has and the subset allows.

    Returns:
        float64 (S, N), 0 to 1; NaN where nothing is left of a subject.
    """
    found = np.full((len(subsets), len(presence)), np.nan)
    for number, subset in enumerate(subsets):
        shown = presence & subset
        rows = np.flatnonzero(shown.any(axis=1))
        if len(rows):
            found[number, rows] = scorer({name: values[rows] for name, values in inputs.items()}, shown[rows])
    return found
