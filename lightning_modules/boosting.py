"""The boosting expert: boosted trees on the inputs of the present modalities, fitted to masked copies too.

Scikit-learn grows the trees; here they are tensors of a bundle, and their prediction needs no pickle.

Shapes: B batch, M modalities, F inputs that are read, G groups of people, T trees, N nodes of a tree.
"""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from cohorts.preprocessing import Layout
from lightning_modules.additive import num_read
from lightning_modules.rows import Rows, log_losses

MOST_INPUTS = 400  # a modality with more is not read
NUM_BINS = 64
MOST_ROUNDS, STEP = 150, 10  # the number of rounds is a multiple of the step
NUM_RUNS = 3  # with other inputs to split by, averaged
FEW_PEOPLE = 5000  # up to which more than one run is worth its time


class BoostingExpert(nn.Module):
    """A sum of trees for each group of people, who had no part in it.

    Args:
        layouts: Modality to the layout of its inputs.
        num_groups: G.
        num_trees: T, the same for all groups.
        num_nodes: N, of the largest tree.
    """

    values_GTN: Tensor
    thresholds_GTN: Tensor
    inputs_GTN: Tensor
    below_GTN: Tensor
    above_GTN: Tensor
    absent_GTN: Tensor
    base_G: Tensor

    def __init__(self, layouts: Mapping[str, Layout], num_groups: int, num_trees: int, num_nodes: int) -> None:
        super().__init__()
        self.layouts, self.num_groups = dict(layouts), num_groups
        shape = (num_groups, num_trees, num_nodes)
        for name in ("values", "thresholds"):
            self.register_buffer(f"{name}_GTN", torch.zeros(shape, dtype=torch.float64))
        for name in ("inputs", "below", "above", "absent"):
            self.register_buffer(f"{name}_GTN", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("base_G", torch.zeros(num_groups, dtype=torch.float64))

    def forward(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor) -> Tensor:
        """Logits (B,): of who is in a group by the trees without it, of others the mean over the groups."""
        values_FB = _table(features, presence_BM, self.layouts).T.double()
        logits_GB = torch.stack([self._sum(group, values_FB) for group in range(self.num_groups)])
        own_GB = torch.arange(self.num_groups, device=group_B.device)[:, None] == group_B
        judge_GB = (own_GB | (group_B < 0)).double()
        return (logits_GB * judge_GB).sum(0) / judge_GB.sum(0)

    def _sum(self, group: int, values_FB: Tensor) -> Tensor:
        num_trees, num_nodes = self.values_GTN.shape[1:]
        flat = {name: buffer[group].reshape(-1) for name, buffer in self.named_buffers() if name.endswith("_GTN")}
        start_T1 = (num_nodes * torch.arange(num_trees, device=values_FB.device))[:, None]
        node_TB = start_T1.expand(-1, values_FB.shape[1])
        while True:  # a leaf leads to itself
            shown_TB = values_FB.gather(0, flat["inputs_GTN"][node_TB].long())
            side_TB = torch.where(
                shown_TB <= flat["thresholds_GTN"][node_TB], flat["below_GTN"][node_TB], flat["above_GTN"][node_TB]
            )
            side_TB = torch.where(shown_TB.isnan(), flat["absent_GTN"][node_TB], side_TB)
            after_TB = start_T1 + side_TB
            if torch.equal(after_TB, node_TB):
                return flat["values_GTN"][node_TB].sum(0) + self.base_G[group]
            node_TB = after_TB


def _table(features: Mapping[str, Tensor], presence_BM: Tensor, layouts: Mapping[str, Layout]) -> Tensor:
    """Inputs of the modalities that are read, NaN where absent, and presence: (B, F)."""
    parts = [presence_BM.to(next(iter(features.values())).dtype)]
    for m, (name, layout) in enumerate(layouts.items()):
        if num_read(layout) <= MOST_INPUTS:
            parts.append(torch.where(presence_BM[:, m, None], features[name][:, : num_read(layout)], torch.nan))
    return torch.cat(parts, 1)


def fit_boosting(
    layouts: Mapping[str, Layout],
    rows: Rows,
    copies: Rows,
    group: np.ndarray,
    judged: np.ndarray,
    num_groups: int,
    seed: int,
) -> BoostingExpert:
    """Fit it to some people and to copies of them with modalities hidden.

    The number of rounds is the one with the lowest cross-fitted log loss of the judged people, as they are and hidden.

    Args:
        layouts: Modality to the layout of its inputs.
        rows: N people, with weights.
        copies: The same people, as often as there are copies, in the same order, with modalities hidden.
        group: Group of each of the N, int (N,); who has a number outside of 0 to G - 1 is in every fit.
        judged: Whose log loss counts, bool (N,).
        num_groups: G.
        seed: Of the inputs that a split may choose from.
    """
    every = 1 + len(copies) // len(rows)
    parts = [
        _table({name: torch.as_tensor(v) for name, v in each.inputs.items()}, torch.as_tensor(each.presence), layouts)
        for each in (rows, copies)
    ]
    table = np.column_stack([snapped(column) for column in torch.cat(parts).double().numpy().T])
    label, weight = np.tile(rows.label, every), np.tile(rows.weight, every) / every
    group, judged = np.tile(group, every), np.tile(judged, every)
    runs, losses = [], np.zeros(MOST_ROUNDS // STEP)
    with threadpool_limits(1):
        for number in range(num_groups):
            used, here = (group != number) & (weight > 0), judged & (group == number)
            known = without_gaps(table[used])
            seeds = range(seed, seed + (NUM_RUNS if len(rows) <= FEW_PEOPLE else 1))
            models = [_unfitted(each).fit(known, label[used], weight[used]) for each in seeds]
            runs.append(models)
            if not here.any():
                continue
            stages = zip(*(model.staged_decision_function(table[here]) for model in models), strict=True)
            for at, logits in enumerate(stages):
                if (at + 1) % STEP == 0:
                    loss = log_losses(np.mean(logits, axis=0), label[here])
                    losses[at // STEP] += float((weight[here] * loss).sum())
    return _as_tensors(layouts, runs, STEP * (int(losses.argmin()) + 1))


def _unfitted(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=MOST_ROUNDS,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        l2_regularization=20.0,
        max_features=0.2,
        early_stopping=False,
        random_state=seed,
    )


def snapped(values: np.ndarray) -> np.ndarray:
    """The nearest of NUM_BINS quantiles of a column, (N,), NaN where absent.

    Scikit-learn splits halfway between the values that it sees, so trees say the same of the values themselves; of more
    of them, its own quantiles take minutes where people have weights.
    """
    known = values[~np.isnan(values)]
    if len(np.unique(known)) <= NUM_BINS:
        return values
    levels = np.unique(np.quantile(known, np.linspace(0, 1, NUM_BINS), method="nearest"))
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
    return np.where(np.isnan(values), np.nan, levels[np.minimum(nearest, len(levels) - 1)])


def without_gaps(table: np.ndarray) -> np.ndarray:
    """Columns of which nothing is known are 0, where nothing can be split: scikit-learn refuses them with weights."""
    return np.where(np.isnan(table).all(axis=0), 0.0, table)


def _as_tensors(
    layouts: Mapping[str, Layout], runs: list[list[HistGradientBoostingClassifier]], num_rounds: int
) -> BoostingExpert:
    """The first trees of all runs; scikit-learn has no public way to read them, so a test compares predictions."""
    grown = [[rounds[0].nodes for model in models for rounds in model._predictors[:num_rounds]] for models in runs]
    num_nodes = max(len(nodes) for trees in grown for nodes in trees)
    expert = BoostingExpert(layouts, len(runs), len(grown[0]), num_nodes)
    for g, (models, trees) in enumerate(zip(runs, grown, strict=True)):
        expert.base_G[g] = float(np.mean([np.ravel(model._baseline_prediction)[0] for model in models]))
        for t, nodes in enumerate(trees):
            leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
            below, above = (np.where(leaf, own, nodes[side].astype(int)) for side in ("left", "right"))
            absent = np.where(nodes["missing_go_to_left"].astype(bool), below, above)
            values = {"values": np.where(leaf, nodes["value"] / len(models), 0.0)}
            values |= {"thresholds": nodes["num_threshold"], "inputs": np.where(leaf, 0, nodes["feature_idx"])}
            values |= {"below": below, "above": above, "absent": absent}
            for name, column in values.items():
                buffer = expert.get_buffer(f"{name}_GTN")
                buffer[g, t, : len(nodes)] = torch.as_tensor(column).to(buffer.dtype)
    return expert
