"""Scores under subsets of modalities: what a model says of the same people when some of what they have is hidden.

Counts: N subjects, M modalities, S subsets.
"""

import copy
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.special import expit

from cohorts.missingness import pattern_names
from lightning_modules.bundle import Bundle
from lightning_modules.ensemble import in_pieces

MOST_COMPLETE = 6  # modalities up to which all subsets are looked at
NUM_SAMPLED = 64  # subsets of more modalities
MANY_SUBSETS = 200  # from which scoring takes so long that its progress is shown
LEAST_OF_A_CLASS, LEAST_SHARE = 11, 0.1  # of people who have all common modalities

Scorer = Callable[[Mapping[str, np.ndarray], np.ndarray, np.ndarray | None], np.ndarray]
"""From inputs (modality to float (N, F)), presence, bool (N, M) with a True in every row, and cross-fitting groups, int
(N,), None for new people, to risks, float64 (N,)."""


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
            size = int(draw.integers(2, num_modalities - 1))
            found[frozenset(draw.choice(num_modalities, size, replace=False).tolist())] = None
        chosen = sorted((set(s) for s in found), key=lambda s: (-len(s), sorted(s)))
    return np.array([[m in subset for m in everything] for subset in chosen])


def subsets_within(common: np.ndarray) -> np.ndarray:
    """Subsets of some of the modalities, as `subsets_of`, with a column for every modality.

    Args:
        common: Which modalities a subset may have, bool (M,).

    Returns:
        bool (S, M), no row where no modality is common.

    Example:
        >>> subsets_within(np.array([True, False, True])).tolist()
        [[True, False, True], [True, False, False], [False, False, True]]
    """
    if not common.any():
        return np.zeros((0, len(common)), dtype=bool)
    within = subsets_of(int(common.sum()))
    subsets = np.zeros((len(within), len(common)), dtype=bool)
    subsets[:, common] = within
    return subsets


def bundle_scorer(bundle: Bundle) -> Scorer:
    """The scorer of a bundle, calibrated by the pattern that is shown, as `lightning_modules.scoring.score` is.

    Who is scored out of the bag is scored before calibration, which was fitted to these very people.

    Args:
        bundle: Its modalities, in their order, are the columns of presence.
    """
    network = copy.deepcopy(bundle.network).double().eval()

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
        logits = in_pieces(network, inputs, presence, group)
        if group is None:
            logits = bundle.calibration(logits, pattern_names(presence, network.modalities))
        risks: np.ndarray = expit(logits).round(9)
        return risks

    return score


def scores_under(
    scorer: Scorer,
    inputs: Mapping[str, np.ndarray],
    presence: np.ndarray,
    subsets: np.ndarray,
    group: np.ndarray | None = None,
) -> np.ndarray:
    """Scores of the same subjects under each subset of modalities; of many, how far it is stands on standard error.

    Who shows the same under several subsets, as they lack what these differ by, is scored once.

    Args:
        scorer: Of a network, or of anything that scores inputs and presence.
        inputs: Modality to inputs, float (N, F).
        presence: What each subject has, bool (N, M).
        subsets: bool (S, M); what a subject shows is what it has and the subset allows.
        group: Cross-fitting groups of tuning people, int (N,), so that each is scored by what never saw them.

    Returns:
        float64 (S, N), 0 to 1; NaN where nothing is left of a subject.
    """
    found = np.full((len(subsets), len(presence)), np.nan)
    patterns, pattern = np.unique(presence, axis=0, return_inverse=True)
    first: dict[tuple[int, bytes], int] = {}  # pattern, and what is shown of it, to the subset that showed it first
    console, few = Console(stderr=True), len(subsets) < MANY_SUBSETS
    for number, subset in enumerate(track(subsets, "scoring", console=console, transient=True, disable=few)):
        places = [first.setdefault((p, (has & subset).tobytes()), number) for p, has in enumerate(patterns)]
        place = np.array(places)[pattern.ravel()]
        found[number] = found[place, np.arange(len(presence))]
        shown = presence & subset
        rows = np.flatnonzero(shown.any(axis=1) & (place == number))
        if len(rows):
            found[number, rows] = scorer(
                {name: values[rows] for name, values in inputs.items()},
                shown[rows],
                None if group is None else group[rows],
            )
    return found


def deployed_presence(presence: np.ndarray, kept: np.ndarray, *, num_draws: int, seed: int = 0) -> np.ndarray:
    """What people would show if each modality were measured for fewer of them.

    Args:
        presence: What each subject has, bool (N, M).
        kept: Share of those who have a modality who would keep it, (M,), 0 to 1.
        num_draws: How many times, K.
        seed: Of the draws.

    Returns:
        bool (K, N, M), never more than `presence`; who would lose everything keeps one modality, drawn at random.
    """
    draw = np.random.default_rng(seed)
    shown = presence & (draw.random((num_draws, *presence.shape)) < kept)
    order = np.where(presence, draw.random(shown.shape), -1.0)
    single = presence & (order == order.max(axis=-1, keepdims=True))
    return np.where(shown.any(axis=-1, keepdims=True), shown, single)


def common_modalities(presence: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The modalities under whose subsets enough people can be looked at, the same people under every subset.

    The modality that the fewest have is left out until a tenth of the people, with 11 positives and 11 negatives among
    them, have all that remain.

    Args:
        presence: bool (N, M).
        label: 1 positive, 0 negative, (N,).

    Returns:
        bool (M,); all False where no modality has enough.
    """
    kept, share = np.ones(presence.shape[1], dtype=bool), presence.mean(axis=0)
    while kept.any():
        complete = np.asarray(presence[:, kept].all(axis=1))
        of_class = [int((complete & (label == value)).sum()) for value in (0, 1)]
        if complete.mean() >= LEAST_SHARE and min(of_class) >= LEAST_OF_A_CLASS:
            break
        kept[np.flatnonzero(kept)[np.argmin(share[kept])]] = False
    return kept
