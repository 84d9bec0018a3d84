"""The columns that the additive expert may be fitted to: components of wide modalities, curves, and what is filled in.

Shapes: N people, M modalities, C columns, F inputs of one modality, k components.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from cohorts.preprocessing import Layout
from lightning_modules.additive import (
    WIDE,
    curved_columns,
    curves,
    input_columns,
    may_curve,
    modality_of_columns,
    num_read,
)
from lightning_modules.factors import Factors
from lightning_modules.rows import Rows

MOST_COMPONENTS = 32
MOST_FOR_COMPONENTS = 2000  # people, of whom a sample shows the components of all
MOST_IN_FACTORS = 1000  # inputs of a modality that has no components


@dataclass(frozen=True)
class Form:
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


def common_factors(
    layouts: Mapping[str, Layout],
    rows: Rows,
    components: Mapping[str, np.ndarray],
    curves: np.ndarray | None = None,
) -> Factors:
    """What inputs and curves have in common, everybody counting alike; of wide modalities their components, if any."""
    turns = dict(components)
    for name, layout in layouts.items():
        most = MOST_COMPONENTS if layout.kind in WIDE else MOST_IN_FACTORS
        if name not in turns and num_read(layout) > most:
            turns[name] = np.zeros((num_read(layout), 0))
    form = Form(layouts, components=turns, curves=curves)
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


def leading_components(layouts: Mapping[str, Layout], rows: Rows) -> dict[str, np.ndarray]:
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


def continuous_curves(layouts: Mapping[str, Layout], rows: Rows) -> np.ndarray:
    """Which curves are those of inputs of many values, bool (C,)."""
    parts = [np.zeros(0, dtype=bool)]
    for name, layout in layouts.items():
        inputs_NF = may_curve(torch.as_tensor(rows.inputs[name]), layout)
        many = np.array([len(np.unique(column)) > 10 for column in inputs_NF.numpy().T], dtype=bool)
        parts += [many] * len(curves(inputs_NF, layout))
    return np.concatenate(parts)
