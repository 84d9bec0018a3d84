"""The additive expert: ridge logistic regression on all inputs side by side, solved as a convex problem.

A modality contributes its own part of the logit, and an absent one contributes nothing: its constant is in the
intercept. On some hundred people this is what everything else must better, and no gradient descent gets there as well.

Shapes: B batch, N people, M modalities, F inputs of one modality, C columns of all, G groups of people, E fits.
"""

import warnings
from collections.abc import Mapping
from itertools import combinations

import numpy as np
import torch
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from cohorts.modalities.events import SUMMARY
from cohorts.preprocessing import Layout
from lightning_modules.encoders import MANY_INPUTS
from lightning_modules.rows import Rows, log_losses

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # scikit-learn's C: the smaller, the stronger
KNOTS = (-0.674, 0.0, 0.674)  # quartiles of a normal score
SQUARED = ("mean", "last")  # of events: both too low and too high a level may be a bad sign
MOST_CURVED = 400  # inputs of a modality up to which they may curve
LEAST_SCALE = 0.5  # what hardly varies is not blown up
MOST_FOR_NEWTON = 1500  # columns; with more, a quasi-Newton method is quicker


class AdditiveExpert(nn.Module):
    """Linear in the inputs of the present modalities, and maybe curved in those that are normal scores.

    Curves are squares of a variable's level over time, and bends at the quartiles of all else.

    It holds a fit for each group of people, who had no part in it, and one for each pair of groups, so that whatever is
    trained on top of a fit can be left out of its own offset too. It holds each twice: one fit to people as they are,
    and one to copies of them with modalities hidden, for patterns that are rare.

    Args:
        layouts: Modality to the layout of its inputs.
        num_groups: G.
    """

    weights_EC: Tensor
    curves_EC: Tensor
    intercepts_E: Tensor
    fit_of_GG: Tensor

    def __init__(self, layouts: Mapping[str, Layout], num_groups: int) -> None:
        super().__init__()
        self.layouts, self.num_groups = dict(layouts), num_groups
        num_fits = 2 * len(self.left_out)
        nobody = {name: torch.zeros(0, layout.num_inputs) for name, layout in layouts.items()}
        num_curved = curved_columns(nobody, torch.zeros(0, len(layouts), dtype=torch.bool), layouts).shape[1]
        num_linear = sum(map(num_read, layouts.values())) + len(layouts)
        self.register_buffer("weights_EC", torch.zeros(num_fits, num_linear))
        self.register_buffer("curves_EC", torch.zeros(num_fits, num_curved))
        self.register_buffer("intercepts_E", torch.zeros(num_fits))
        fit_of_GG = torch.arange(num_groups)[:, None].repeat(1, num_groups + 1)
        for place, pair in enumerate(combinations(range(num_groups), 2), num_groups):
            fit_of_GG[pair] = fit_of_GG[pair[::-1]] = place
        self.register_buffer("fit_of_GG", fit_of_GG, persistent=False)  # the last column is for new people

    @property
    def left_out(self) -> list[tuple[int, ...]]:
        """The groups that have no part in a fit, by its place."""
        return [*((group,) for group in range(self.num_groups)), *combinations(range(self.num_groups), 2)]

    def forward(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor, rare_B: Tensor) -> Tensor:
        """Logits (G, B): row g is of fits without group g, and without the group of the subject.

        Args:
            features: Modality to inputs, float (B, F), finite where present.
            presence_BM: bool (B, M).
            group_B: Group of each subject, int (B,); -1 for who had no part in any fit.
            rare_B: Whose pattern is rare, bool (B,).
        """
        logits_BE = linear_columns(features, presence_BM, self.layouts) @ self.weights_EC.T + self.intercepts_E
        if bool(self.curves_EC.any()):
            logits_BE = logits_BE + curved_columns(features, presence_BM, self.layouts) @ self.curves_EC.T
        fit_GB = self.fit_of_GG[:, group_B] + len(self.left_out) * rare_B
        return logits_BE.T.gather(0, fit_GB)


def num_read(layout: Layout) -> int:
    """How many of its inputs are read: of events the summaries, of an image none."""
    return {"events": layout.sizes.get("num_variables", 0) * len(SUMMARY), "image": 0}.get(
        layout.kind, layout.num_inputs
    )


def linear_columns(features: Mapping[str, Tensor], presence_BM: Tensor, layouts: Mapping[str, Layout]) -> Tensor:
    """Inputs of the present modalities, 0 for absent ones, and presence: (B, C)."""
    parts = []
    for m, (name, layout) in enumerate(layouts.items()):
        read = num_read(layout)
        loud = max(1.0, read / MANY_INPUTS) ** 0.5  # a wide modality starts no louder than a narrow one
        parts.append(torch.where(presence_BM[:, m, None], features[name][:, :read] / loud, 0.0))
    return torch.cat([*parts, presence_BM.to(parts[0].dtype)], 1)


def curved_columns(features: Mapping[str, Tensor], presence_BM: Tensor, layouts: Mapping[str, Layout]) -> Tensor:
    """Squares of events' levels, and what of other inputs lies above each knot; 0 for absent modalities: (B, C)."""
    parts = [presence_BM.new_zeros((len(presence_BM), 0), dtype=next(iter(features.values())).dtype)]
    for m, (name, layout) in enumerate(layouts.items()):
        curves = _curves(_may_curve(features[name], layout), layout)
        parts += [torch.where(presence_BM[:, m, None], curve_BC, 0.0) for curve_BC in curves]
    return torch.cat(parts, 1)


def _may_curve(features_BF: Tensor, layout: Layout) -> Tensor:
    """The inputs of a modality that have curves: of events the levels, of wide modalities none."""
    read_BF = features_BF[:, : num_read(layout)]
    if read_BF.shape[1] > MOST_CURVED:
        return read_BF[:, :0]
    if layout.kind != "events":
        return read_BF
    levels = [SUMMARY.index(name) for name in SQUARED]
    return read_BF.unflatten(1, (-1, len(SUMMARY)))[..., levels].flatten(1)


def _curves(inputs_BF: Tensor, layout: Layout) -> list[Tensor]:
    return [inputs_BF**2] if layout.kind == "events" else [(inputs_BF - knot).relu() for knot in KNOTS]


def fit_additive(
    layouts: Mapping[str, Layout], rows: Rows, copies: Rows, group: np.ndarray, judged: np.ndarray, num_groups: int
) -> AdditiveExpert:
    """Fit it to some people; its penalty, and whether it curves, by the cross-fitted log loss of others of them.

    Args:
        layouts: Modality to the layout of its inputs.
        rows: N people, with weights.
        copies: The same people, as often as there are copies, in the same order, with modalities hidden.
        group: Group of each of the N, int (N,), 0 to G - 1; who has another number is in every fit.
        judged: Whose log loss counts, bool (N,).
        num_groups: G.
    """
    expert = AdditiveExpert(layouts, num_groups)
    continuous = _continuous(rows, layouts)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # Newton's method goes on as a quasi-Newton method then
        plain = _Problem(_columns(rows, layouts), rows, group)
        losses = [plain.loss(penalty, judged, num_groups) for penalty in PENALTIES]
        best, place = plain, int(np.argmin(losses))
        if continuous.any():
            curved = _Problem(_columns(rows, layouts, continuous), rows, group)
            tried = {at: curved.loss(PENALTIES[at], judged, num_groups) for at in {max(0, place - 1), place}}
            if min(tried.values()) < min(losses):
                best, place = curved, min(tried, key=tried.__getitem__)
        curves = continuous if best is not plain else None
        hidden = _Problem(_columns(copies, layouts, curves), copies, np.tile(group, len(copies) // len(rows)))
        fits = [problem.fit(PENALTIES[place], without) for problem in (best, hidden) for without in expert.left_out]
    weights = torch.as_tensor(np.array([weight for weight, _ in fits]), dtype=expert.weights_EC.dtype)
    num_linear = expert.weights_EC.shape[1]
    expert.weights_EC.copy_(weights[:, :num_linear])
    if curves is not None:
        expert.curves_EC[:, torch.as_tensor(curves)] = weights[:, num_linear:]
    expert.intercepts_E.copy_(torch.tensor([intercept for _, intercept in fits]))
    return expert


def least_loss(
    layouts: Mapping[str, Layout], rows: Rows, group: np.ndarray, judged: np.ndarray, num_groups: int
) -> float:
    """The cross-fitted log loss of the judged people under the best penalty, without curves; arguments as above."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        plain = _Problem(_columns(rows, layouts), rows, group)
        return min(plain.loss(penalty, judged, num_groups) for penalty in PENALTIES)


def _columns(rows: Rows, layouts: Mapping[str, Layout], curves: np.ndarray | None = None) -> np.ndarray:
    features = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in rows.inputs.items()}
    presence = torch.as_tensor(rows.presence)
    linear = linear_columns(features, presence, layouts).numpy()
    if curves is None:
        return linear
    return np.hstack([linear, curved_columns(features, presence, layouts).numpy()[:, curves]])


def _continuous(rows: Rows, layouts: Mapping[str, Layout]) -> np.ndarray:
    """Which curves are those of inputs of many values, bool (C,)."""
    parts = [np.zeros(0, dtype=bool)]
    for name, layout in layouts.items():
        inputs_NF = _may_curve(torch.as_tensor(rows.inputs[name]), layout)
        many = np.array([len(np.unique(column)) > 10 for column in inputs_NF.numpy().T], dtype=bool)
        parts += [many] * len(_curves(inputs_NF, layout))
    return np.concatenate(parts)


class _Problem:
    """Columns of all people, scaled once; where there are more columns than people, turned into as many as people."""

    def __init__(self, columns: np.ndarray, rows: Rows, group: np.ndarray) -> None:
        self.scale = np.maximum(columns.std(axis=0), LEAST_SCALE)
        self.columns, self.turn = columns / self.scale, None
        if columns.shape[1] > len(columns):
            squares, directions = np.linalg.eigh(self.columns @ self.columns.T)
            kept = squares > 1e-9 * squares.max()
            self.turn = self.columns.T @ directions[:, kept] / np.sqrt(squares[kept])
            self.columns = directions[:, kept] * np.sqrt(squares[kept])
        self.rows, self.group = rows, group
        solver = "newton-cholesky" if self.columns.shape[1] < MOST_FOR_NEWTON else "lbfgs"
        self.model = LogisticRegression(solver=solver, max_iter=1000, warm_start=True)

    def fit(self, penalty: float, without: tuple[int, ...]) -> tuple[np.ndarray, float]:
        """Weights of the unscaled columns, and the intercept, of everybody but some groups."""
        self._refit(penalty, without)
        weights = self.model.coef_[0] if self.turn is None else self.turn @ self.model.coef_[0]
        return weights / self.scale, float(self.model.intercept_[0])

    def loss(self, penalty: float, judged: np.ndarray, num_groups: int) -> float:
        """Log loss of the judged people of the groups, each by the fit without the own group."""
        total, weight = 0.0, 0.0
        for number in range(num_groups):
            self._refit(penalty, (number,))
            here = judged & (self.group == number)
            logits = self.columns[here] @ self.model.coef_[0] + self.model.intercept_[0]
            total += float((self.rows.weight[here] * log_losses(logits, self.rows.label[here])).sum())
            weight += float(self.rows.weight[here].sum())
        return total / weight

    def _refit(self, penalty: float, without: tuple[int, ...]) -> None:
        used = ~np.isin(self.group, without) & (self.rows.weight > 0)
        weight = self.rows.weight[used]
        self.model.set_params(C=penalty).fit(self.columns[used], self.rows.label[used], weight)
