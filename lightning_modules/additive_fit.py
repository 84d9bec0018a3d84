"""How the additive expert is fitted: ridge logistic regression, in the form that cross-fitted log loss prefers.

Shapes: N people, C columns of all modalities, F inputs of one modality, G groups of people, E fits.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from cohorts.preprocessing import Layout
from lightning_modules.additive import (
    LEAST_SCALE,
    WIDE,
    AdditiveExpert,
    curved_columns,
    curves,
    input_columns,
    may_curve,
    modality_of_columns,
    num_read,
)
from lightning_modules.factors import Factors
from lightning_modules.rows import Rows, log_losses

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # scikit-learn's C: the smaller, the stronger
MOST_COMPONENTS = 32
MOST_FOR_COMPONENTS = 2000  # people, of whom a sample shows the components of all
MOST_IN_FACTORS = 1000  # inputs of a modality that has no components
MOST_FOR_NEWTON = 1500  # columns; with more, a quasi-Newton method is quicker


def fit_additive(
    layouts: Mapping[str, Layout], rows: Rows, copies: Rows, group: np.ndarray, judged: np.ndarray, num_groups: int
) -> AdditiveExpert:
    """Fit it to some people, in the form and with the penalty that the cross-fitted log loss of some of them prefers.

    What is absent is filled in with what the factors let expect. Wide modalities come down to their principal
    components or do not, and then continuous inputs curve or do not.

    Args:
        layouts: Modality to the layout of its inputs.
        rows: N people, with weights.
        copies: The same people, as often as there are copies, in the same order, with modalities hidden.
        group: Group of each of the N, int (N,), 0 to G - 1; who has another number is in every fit.
        judged: Whose log loss counts, bool (N,).
        num_groups: G.
    """
    expert = AdditiveExpert(layouts, num_groups)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # Newton's method goes on as a quasi-Newton method then
        components = _components(layouts, rows)
        best = _Problem(_Form(layouts, factors=_factors(layouts, rows, components)), rows, group)
        losses = best.losses(PENALTIES, judged, num_groups)
        if components:
            fewer = _Problem(replace(best.form, components=components), rows, group)
            losses_of_fewer = fewer.losses(PENALTIES, judged, num_groups)
            if min(losses_of_fewer) < min(losses):
                best, losses = fewer, losses_of_fewer
        place = int(np.argmin(losses))
        continuous = _continuous(layouts, rows)
        if continuous.any():
            factors = _factors(layouts, rows, components, continuous)
            curved = _Problem(replace(best.form, curves=continuous, factors=factors), rows, group)
            places = sorted({max(0, place - 1), place})
            losses_of_curved = curved.losses([PENALTIES[at] for at in places], judged, num_groups)
            if min(losses_of_curved) < min(losses):
                best, place = curved, places[int(np.argmin(losses_of_curved))]
        hidden = _Problem(best.form, copies, np.tile(group, len(copies) // len(rows)))
        fits = [problem.fit(PENALTIES[place], without) for problem in (best, hidden) for without in expert.left_out]
    kind, form = expert.inputs_EC.dtype, best.form
    of_inputs, of_curves, of_presence, intercepts = (
        torch.as_tensor(np.array(each), dtype=kind) for each in zip(*fits, strict=True)
    )
    expert.inputs_EC.copy_(of_inputs)
    if form.curves is not None:
        expert.curves_EC[:, torch.as_tensor(form.curves)] = of_curves
    expert.presence_EM.copy_(of_presence)
    expert.intercepts_E.copy_(intercepts)
    if form.factors is not None:
        expert.factors.load_state_dict(form.factors.state_dict())
    return expert


def least_loss(
    layouts: Mapping[str, Layout], rows: Rows, group: np.ndarray, judged: np.ndarray, num_groups: int
) -> float:
    """The log loss of the judged people, as above, in the plainest form, nothing filled in, under the best penalty."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        return min(_Problem(_Form(layouts), rows, group).losses(PENALTIES, judged, num_groups))


@dataclass(frozen=True)
class _Form:
    """What the columns of a fit are.

    Attributes:
        layouts: Modality to the layout of its inputs.
        factors: What is filled in for what is absent; None for 0.
        components: Wide modality to its principal components, float64 (F, k), which are read in place of its inputs.
        curves: Which curves are read too, bool (C,); None for none.
    """

    layouts: Mapping[str, Layout]
    factors: Factors | None = None
    components: Mapping[str, np.ndarray] = field(default_factory=dict)
    curves: np.ndarray | None = None

    def columns(self, rows: Rows) -> np.ndarray:
        """Of inputs, curves and presence, float64 (N, C)."""
        features = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in rows.inputs.items()}
        presence_NM = torch.as_tensor(rows.presence)
        columns_NC = input_columns(features, presence_NM, self.layouts)
        num_inputs = columns_NC.shape[1]
        if self.curves is not None:
            columns_NC = torch.cat([columns_NC, curved_columns(features, presence_NM, self.layouts)], 1)
        if self.factors is not None:
            columns_NC = self.factors(columns_NC, presence_NM)
        columns = columns_NC.numpy()
        parts = self._reduced(columns[:, :num_inputs])
        if self.curves is not None:
            parts.append(columns[:, num_inputs:][:, self.curves])
        return np.hstack([*parts, rows.presence])

    def _reduced(self, inputs: np.ndarray) -> list[np.ndarray]:
        """The columns that are read of each modality's inputs."""
        parts, start = [], 0
        for name, layout in self.layouts.items():
            own = inputs[:, start : start + num_read(layout)]
            parts.append(own @ self.components[name] if name in self.components else own)
            start += num_read(layout)
        return parts

    def weights(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights of the columns as those of the inputs, of the curves that are read, and of presence."""
        parts, start = [], 0
        for name, layout in self.layouts.items():
            turn = self.components.get(name)
            size = num_read(layout) if turn is None else turn.shape[1]
            own = weights[start : start + size]
            parts.append(own if turn is None else turn @ own)
            start += size
        end = len(weights) - len(self.layouts)
        return np.concatenate(parts), weights[start:end], weights[end:]


def _factors(
    layouts: Mapping[str, Layout],
    rows: Rows,
    components: Mapping[str, np.ndarray],
    curves: np.ndarray | None = None,
) -> Factors:
    """What inputs and curves have in common; of wide modalities it is their components, if they have any."""
    turns = dict(components)
    for name, layout in layouts.items():
        if name not in turns and (layout.kind in WIDE or num_read(layout) > MOST_IN_FACTORS):
            turns[name] = np.zeros((num_read(layout), 0))
    form = _Form(layouts, components=turns, curves=curves)
    columns = form.columns(rows)[:, : -len(layouts)]
    of_input, of_curve = modality_of_columns(layouts)
    sizes = [turns[name].shape[1] if name in turns else num_read(layout) for name, layout in layouts.items()]
    read = [] if curves is None else np.array(of_curve)[curves].tolist()
    few = Factors([*np.repeat(np.arange(len(layouts)), sizes).tolist(), *read], len(layouts))
    few.fit(columns, rows.presence)
    found = Factors([*of_input, *of_curve], len(layouts))
    found.precision_MKK.copy_(few.precision_MKK)
    for of_few, of_all in zip(
        (few.mean_C, few.loadings_CK, few.scores_CK), (found.mean_C, found.loadings_CK, found.scores_CK), strict=True
    ):
        of_none = torch.zeros(len(layouts), *of_few.shape[1:])
        of_inputs, of_curves, _ = form.weights(torch.cat([of_few, of_none]).numpy())
        of_all[: len(of_input)] = torch.as_tensor(of_inputs)
        if curves is not None:
            of_all[len(of_input) :][torch.as_tensor(curves)] = torch.as_tensor(of_curves)
    return found


def _components(layouts: Mapping[str, Layout], rows: Rows) -> dict[str, np.ndarray]:
    """Principal components of wide modalities that stand out of noise, float64 (F, k); no label has a part in them.

    One stands out where its singular value is above omega(b) times the median one, b being the shorter side of the
    matrix over the longer one: the optimal hard threshold where nobody knows how large the noise is. It, and the cubic
    that omega nearly is, are by Gavish and Donoho (IEEE Transactions on Information Theory 60, 2014, 5040-5053).
    """
    found, rng = {}, np.random.default_rng(0)
    for m, (name, layout) in enumerate(layouts.items()):
        having = np.flatnonzero(rows.presence[:, m])
        if layout.kind not in WIDE or min(len(having), layout.num_inputs) <= MOST_COMPONENTS:
            continue
        sample = np.sort(rng.choice(having, min(len(having), MOST_FOR_COMPONENTS), replace=False))
        inputs = rows.inputs[name][sample]
        inputs = inputs - inputs.mean(axis=0)
        tall = len(inputs) >= inputs.shape[1]
        squares, vectors = np.linalg.eigh((inputs.T @ inputs if tall else inputs @ inputs.T).astype(float))
        values = np.sqrt(np.maximum(squares, 0))[::-1]
        ratio = min(inputs.shape) / max(inputs.shape)
        threshold = (0.56 * ratio**3 - 0.95 * ratio**2 + 1.82 * ratio + 1.43) * np.median(values)
        number = min(int((values > threshold).sum()), MOST_COMPONENTS)
        if number:
            leading = vectors[:, ::-1][:, :number]
            found[name] = leading if tall else inputs.T @ leading / values[:number]
    return found


def _continuous(layouts: Mapping[str, Layout], rows: Rows) -> np.ndarray:
    """Which curves are those of inputs of many values, bool (C,)."""
    parts = [np.zeros(0, dtype=bool)]
    for name, layout in layouts.items():
        inputs_NF = may_curve(torch.as_tensor(rows.inputs[name]), layout)
        many = np.array([len(np.unique(column)) > 10 for column in inputs_NF.numpy().T], dtype=bool)
        parts += [many] * len(curves(inputs_NF, layout))
    return np.concatenate(parts)


class _Problem:
    """Columns of all people, scaled once; where there are more columns than people, turned into as many as people."""

    def __init__(self, form: _Form, rows: Rows, group: np.ndarray) -> None:
        columns = form.columns(rows)
        self.scale = np.maximum(columns.std(axis=0), LEAST_SCALE)
        self.columns, self.turn = columns / self.scale, None
        if columns.shape[1] > len(columns):
            squares, directions = np.linalg.eigh(self.columns @ self.columns.T)
            kept = squares > 1e-9 * squares.max()
            self.turn = self.columns.T @ directions[:, kept] / np.sqrt(squares[kept])
            self.columns = directions[:, kept] * np.sqrt(squares[kept])
        self.form, self.rows, self.group = form, rows, group
        solver = "newton-cholesky" if self.columns.shape[1] < MOST_FOR_NEWTON else "lbfgs"
        self.model = LogisticRegression(solver=solver, max_iter=1000, warm_start=True)

    def fit(self, penalty: float, without: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Weights of the inputs, of the curves and of presence, and the intercept, of everybody but some groups."""
        self._refit(penalty, without)
        weights = self.model.coef_[0] if self.turn is None else self.turn @ self.model.coef_[0]
        return *self.form.weights(weights / self.scale), float(self.model.intercept_[0])

    def losses(self, penalties: Sequence[float], judged: np.ndarray, num_groups: int) -> list[float]:
        """For each penalty, the log loss of the judged people of the groups, each by the fit without the own group."""
        return [self._loss(penalty, judged, num_groups) for penalty in penalties]

    def _loss(self, penalty: float, judged: np.ndarray, num_groups: int) -> float:
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
