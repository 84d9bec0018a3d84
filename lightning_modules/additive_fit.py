"""How the additive expert is fitted: ridge logistic regression, in the form that cross-fitted log loss prefers.

Shapes: N people, C columns of all modalities, G groups of people, E fits.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import LinAlgWarning
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from cohorts.preprocessing import Layout
from lightning_modules.additive import LEAST_SCALE, AdditiveExpert
from lightning_modules.additive_form import Form, common_factors, continuous_curves, leading_components
from lightning_modules.rows import Rows, log_losses

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # scikit-learn's C: the smaller, the stronger
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
        components = leading_components(layouts, rows)
        factors = common_factors(layouts, rows, components)
        best = _Problem(Form(layouts, factors=factors), rows, group)
        losses = best.losses(PENALTIES, judged, num_groups)
        if components:
            fewer = _Problem(replace(best.form, components=components), rows, group)
            losses_of_fewer = fewer.losses(PENALTIES, judged, num_groups)
            if min(losses_of_fewer) < min(losses):
                best, losses = fewer, losses_of_fewer
        place = int(np.argmin(losses))
        continuous = continuous_curves(layouts, rows)
        if continuous.any():
            factors_of_curved = common_factors(layouts, rows, components, continuous)
            curved = _Problem(replace(best.form, curves=continuous, factors=factors_of_curved), rows, group)
            places = sorted({max(0, place - 1), place})
            losses_of_curved = curved.losses([PENALTIES[at] for at in places], judged, num_groups)
            if min(losses_of_curved) < min(losses):
                best, factors, place = curved, factors_of_curved, places[int(np.argmin(losses_of_curved))]
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
    expert.factors.load_state_dict(factors.state_dict())
    return expert


def least_loss(
    layouts: Mapping[str, Layout], rows: Rows, group: np.ndarray, judged: np.ndarray, num_groups: int
) -> float:
    """The log loss of the judged people, as above, in the plainest form, nothing filled in, under the best penalty."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        return min(_Problem(Form(layouts), rows, group).losses(PENALTIES, judged, num_groups))


class _Problem:
    """Columns of all people, scaled once; where there are more columns than people, turned into as many as people."""

    def __init__(self, form: Form, rows: Rows, group: np.ndarray) -> None:
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
        label, weight = self.rows.label[used], self.rows.weight[used]
        if label.min() < label.max():
            self.model.set_params(C=penalty).fit(self.columns[used], label, weight)
        else:  # so few that all of one class are left out: nothing but how many there are
            self.model.coef_ = np.zeros((1, self.columns.shape[1]))
            self.model.intercept_ = logit([(weight @ label + 0.5) / (weight.sum() + 1)])
