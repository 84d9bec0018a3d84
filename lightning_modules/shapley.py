"""What mattered: Shapley values of modalities, from a value of every subset; attention weights are no explanations.

A modality's Shapley value is its mean gain over all orders in which modalities could be added (Shapley, 1953; for
models with absent inputs: Covert, Lundberg and Lee, Explaining by removing, JMLR 22, 2021). Here nothing is imputed: a
model that was trained under modality masking answers for a subset by itself. Values of a subject always add up to what
all of its modalities give over none of them, and a modality that a subject lacks has the value 0.

Counts: N subjects, M modalities, S subsets.
"""

from collections.abc import Callable, Mapping
from math import factorial

import numpy as np

from lightning_modules.subsets import Scorer, scores_under

MOST_EXACT = 10  # modalities up to which all 2^M subsets are valued
NUM_ORDERS = 32  # orders that are drawn of more

Value = Callable[[np.ndarray], np.ndarray]
"""From subsets, bool (S, M), the empty one among them, to values, float64 (S, ...), such as one a subject, (S, N)."""


def all_subsets(num_modalities: int) -> np.ndarray:
    """All 2^M subsets, the empty one first, bool (2^M, M); modality m is bit m of the position."""
    return (np.arange(2**num_modalities)[:, None] >> np.arange(num_modalities) & 1).astype(bool)


def exact_shapley(values: np.ndarray) -> np.ndarray:
    """Shapley values from the values of all subsets.

    Args:
        values: float (2^M, ...), in the order of `all_subsets`.

    Returns:
        float64 (M, ...); over M they add up to values[-1] - values[0].

    Example:
        >>> exact_shapley(np.array([0.0, 1.0, 3.0, 6.0])).tolist()  # two modalities that help each other
        [2.0, 4.0]
    """
    num_modalities = len(values).bit_length() - 1
    assert len(values) == 2**num_modalities, "exact Shapley values need all subsets"
    subsets = all_subsets(num_modalities)
    size = subsets.sum(axis=1)
    share = np.array(
        [factorial(k) * factorial(num_modalities - 1 - k) / factorial(num_modalities) for k in range(num_modalities)]
    )
    found = []
    for m in range(num_modalities):
        without = np.flatnonzero(~subsets[:, m])
        gains = values[without + 2**m] - values[without]
        found.append(np.tensordot(share[size[without]], gains, axes=1))
    return np.array(found)


def shapley(value: Value, num_modalities: int, *, num_orders: int = NUM_ORDERS, seed: int = 0) -> np.ndarray:
    """Shapley values: exact up to MOST_EXACT modalities, above from orders that are drawn, each with its reverse.

    Both add up exactly to what all modalities give over none (the efficiency of Shapley values). Orders and their
    reverses are antithetic (Mitchell et al., Sampling permutations for Shapley value estimation, JMLR 23, 2022).

    Args:
        value: Of subsets; called once.
        num_modalities: M.
        num_orders: How many orders are drawn above MOST_EXACT, half of them reverses.
        seed: Of the draw.

    Returns:
        float64 (M, ...).
    """
    if num_modalities <= MOST_EXACT:
        return exact_shapley(value(all_subsets(num_modalities)))
    draw = np.random.default_rng(seed)
    drawn = [draw.permutation(num_modalities) for _ in range((num_orders + 1) // 2)]
    orders = [order for pair in drawn for order in (pair, pair[::-1])]
    steps = np.zeros((len(orders), num_modalities + 1, num_modalities), dtype=bool)
    for number, order in enumerate(orders):
        for k, m in enumerate(order):
            steps[number, k + 1 :, m] = True
    subsets, index = np.unique(steps.reshape(-1, num_modalities), axis=0, return_inverse=True)
    values = value(subsets)
    index = index.reshape(len(orders), num_modalities + 1)
    total = np.zeros((num_modalities, *values.shape[1:]))
    for order, places in zip(orders, index, strict=True):
        total[order] += values[places[1:]] - values[places[:-1]]
    return total / len(orders)


def gain_in_log_loss(scores: np.ndarray, label: np.ndarray, nothing: float) -> np.ndarray:
    """How much lower the log loss of each subject is than with the same score for everybody.

    Args:
        scores: float (S, N); NaN where nothing is left of a subject.
        label: 1 positive, 0 negative, (N,).
        nothing: Score of who has nothing, 0 to 1 exclusive.

    Returns:
        float64 (S, N); 0 where nothing is left.
    """
    shown = np.clip(np.where(np.isnan(scores), nothing, scores), 1e-9, 1 - 1e-9)
    return np.log(np.where(label == 1, shown / nothing, (1 - shown) / (1 - nothing)))


def gain_in_logit(scores: np.ndarray, nothing: float) -> np.ndarray:
    """How far the logit of each subject is from that of the score of who has nothing, float64 (S, N)."""
    shown = np.clip(np.where(np.isnan(scores), nothing, scores), 1e-9, 1 - 1e-9)
    return np.log(shown / (1 - shown)) - np.log(nothing / (1 - nothing))


def shapley_of_predictions(
    scorer: Scorer, inputs: Mapping[str, np.ndarray], presence: np.ndarray, *, nothing: float
) -> np.ndarray:
    """What each modality moved in the logit of each prediction.

    Args:
        scorer: Of a network, or of anything that scores inputs and presence.
        inputs: Modality to inputs, float (N, F).
        presence: What each subject has, bool (N, M).
        nothing: Score of who has nothing, such as the share of positives among the tuning subjects.

    Returns:
        float64 (M, N); over M they add up to the logit of the prediction minus that of `nothing`.
    """
    return shapley(
        lambda subsets: gain_in_logit(scores_under(scorer, inputs, presence, subsets), nothing), presence.shape[1]
    )
