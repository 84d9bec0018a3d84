"""What modalities have in common: factors, told by the present ones, and what they say of the absent ones.

A factor model of blocks. The columns x of modality m are mean + loadings z + noise; the K factors z are common to all,
independent and standard normal, and the noise of a modality has a full covariance, so that the factors hold only what
crosses modalities. An absent modality has no part in what is known of z, and its columns are expected to be
mean + loadings E[z | present]. Of two modalities it is Tucker's inter-battery factor analysis (Psychometrika 23, 1958),
which Bach and Jordan showed to be canonical correlation analysis (2005); of more, Klami and others call it group factor
analysis (IEEE Transactions on Neural Networks and Learning Systems 26, 2015). No label has a part in it.

Shapes: B batch, N people, M modalities, C columns, F columns of one modality, K factors, P patterns.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

NUM_FACTORS = 16
OWN_NOISE = 0.03  # variance that every column has on its own, of 1
LEAST_DEVIATION = 0.5  # what hardly varies is not blown up
LEAST_PEOPLE = 30  # who have a modality, from which it is part of the model
MOST_PEOPLE = 10_000  # of whom a sample shows what is common to all
MOST_STEPS, CLOSE = 60, 0.002  # of expectation maximisation, which ends when no loading moves further


class Factors(nn.Module):
    """The model as tensors; it expects 0 in all columns until it is fitted.

    Args:
        modality_of_column: Place of each column's modality, int (C,).
        num_modalities: M.
    """

    modality_C: Tensor
    mean_C: Tensor
    loadings_CK: Tensor
    scores_CK: Tensor
    precision_MKK: Tensor

    def __init__(self, modality_of_column: Sequence[int], num_modalities: int) -> None:
        super().__init__()
        size = len(modality_of_column)
        self.register_buffer("modality_C", torch.tensor(modality_of_column, dtype=torch.long), persistent=False)
        self.register_buffer("mean_C", torch.zeros(size))
        self.register_buffer("loadings_CK", torch.zeros(size, NUM_FACTORS))
        self.register_buffer("scores_CK", torch.zeros(size, NUM_FACTORS))
        self.register_buffer("precision_MKK", torch.zeros(num_modalities, NUM_FACTORS, NUM_FACTORS))

    def forward(self, columns_BC: Tensor, presence_BM: Tensor) -> Tensor:
        """The columns, with what is expected in those of absent modalities, (B, C).

        Args:
            columns_BC: float; what stands in those of absent modalities is not read. Of C, the last may be left out
                where their scores are 0.
            presence_BM: bool.
        """
        size = columns_BC.shape[1]
        shown_BC = presence_BM[:, self.modality_C[:size]]
        mean_C, loadings_CK = self.mean_C[:size].to(columns_BC), self.loadings_CK[:size].to(columns_BC)
        told_BK = torch.where(shown_BC, columns_BC - mean_C, 0.0) @ self.scores_CK[:size].to(columns_BC)
        precision_BX = presence_BM.to(columns_BC) @ self.precision_MKK.to(columns_BC).flatten(1)
        identity_KK = torch.eye(NUM_FACTORS, dtype=columns_BC.dtype, device=columns_BC.device)
        factors_BK = torch.linalg.solve(identity_KK + precision_BX.unflatten(1, identity_KK.shape), told_BK)
        return torch.where(shown_BC, columns_BC, mean_C + factors_BK @ loadings_CK.T)

    def fit(self, columns: np.ndarray, presence: np.ndarray) -> "Factors":
        """Fit it to people by expectation maximisation (Rubin and Thayer, Psychometrika 47, 1982, 69-76).

        Means are those of who has a modality, and are not estimated anew: where presence depends on what was measured,
        expectations are off by a constant, which the additive expert's weights of presence take up.

        Args:
            columns: float64 (N, C).
            presence: bool (N, M).
        """
        if len(columns) > MOST_PEOPLE:
            chosen = np.sort(np.random.default_rng(0).choice(len(columns), MOST_PEOPLE, replace=False))
            columns, presence = columns[chosen], presence[chosen]
        modality = self.modality_C.numpy()
        blocks = [_Block(columns, presence[:, m], np.flatnonzero(modality == m)) for m in range(presence.shape[1])]
        used = [m for m, block in enumerate(blocks) if len(block.place) and len(block.columns) >= LEAST_PEOPLE]
        if len(used) > 1:
            _maximise([blocks[m] for m in used], presence[:, used])
        for m in used:
            block = blocks[m]
            scores = np.linalg.solve(block.noise, block.loadings)
            self.mean_C[block.place] = _tensor(block.mean)
            self.loadings_CK[block.place] = _tensor(block.scale[:, None] * block.loadings)
            self.scores_CK[block.place] = _tensor(scores / block.scale[:, None])
            self.precision_MKK[m] = _tensor(block.loadings.T @ scores)
        return self


class _Block:
    """One modality: the scaled columns of who has it, and what is known of them.

    Attributes:
        place: Of its columns among all, int (F,).
        columns: float64 (n, F).
        covariance: float64 (F, F).
        loadings: float64 (F, K).
        noise: Covariance, float64 (F, F).
    """

    def __init__(self, columns: np.ndarray, having: np.ndarray, place: np.ndarray) -> None:
        self.having, self.place = having, place
        own = columns[np.ix_(having, place)]
        self.mean, self.scale = np.zeros(len(place)), np.ones(len(place))
        if len(own):
            self.mean, self.scale = own.mean(axis=0), np.maximum(own.std(axis=0), LEAST_DEVIATION)
        self.columns = (own - self.mean) / self.scale
        self.covariance = self.columns.T @ self.columns / max(1, len(own))
        self.loadings = np.zeros((len(place), NUM_FACTORS))
        self.noise = self._with_own(self.covariance)

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """The columns, (n, F), times weights, (F, k), for all people: 0 for who lacks the modality, (N, k)."""
        found = np.zeros((len(self.having), weights.shape[1]))
        found[self.having] = self.columns @ weights
        return found

    def update(self, factors: np.ndarray, squares: np.ndarray) -> float:
        """Take the loadings and the noise that fit best; how far the loadings moved.

        Args:
            factors: Expected ones of who has the modality, (n, K).
            squares: Sum of what their outer products are expected to be, (K, K).
        """
        crossed = self.columns.T @ factors
        loadings = np.linalg.solve(squares, crossed.T).T
        moved = float(np.abs(loadings - self.loadings).max())
        left = self.covariance - loadings @ crossed.T / len(self.columns)
        self.loadings, self.noise = loadings, self._with_own((left + left.T) / 2)
        return moved

    @staticmethod
    def _with_own(covariance: np.ndarray) -> np.ndarray:
        return covariance + OWN_NOISE * np.eye(len(covariance))


def _maximise(blocks: list[_Block], presence: np.ndarray) -> None:
    patterns, pattern = np.unique(presence, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    counts = np.bincount(pattern).astype(float)
    rows = [np.flatnonzero(pattern == number) for number in range(len(patterns))]
    factors = _leading(blocks)
    for m, block in enumerate(blocks):
        own = factors[presence[:, m]]
        block.update(own, own.T @ own + len(own) * np.eye(NUM_FACTORS))  # half of what they have in common
    for _ in range(MOST_STEPS):
        scores = [np.linalg.solve(block.noise, block.loadings) for block in blocks]
        precision = np.array([block.loadings.T @ score for block, score in zip(blocks, scores, strict=True)])
        covariance = np.linalg.inv(np.eye(NUM_FACTORS) + np.tensordot(patterns.astype(float), precision, 1))
        told = np.sum([block.spread(score) for block, score in zip(blocks, scores, strict=True)], axis=0)
        for number, here in enumerate(rows):
            factors[here] = told[here] @ covariance[number]
        moved = [0.0]
        for m, block in enumerate(blocks):
            own, having = factors[presence[:, m]], patterns[:, m]
            moved.append(block.update(own, own.T @ own + np.tensordot(counts[having], covariance[having], 1)))
        if max(moved) < CLOSE:
            return


def _leading(blocks: list[_Block]) -> np.ndarray:
    """Standardised principal components of all modalities, whitened, side by side: (N, K), 0 beyond their number."""
    whitened = []
    for block in blocks:
        values, vectors = np.linalg.eigh(block.noise)
        whitened.append(block.spread(vectors / np.sqrt(values)))
    everything = np.hstack(whitened)
    values, vectors = np.linalg.eigh(everything.T @ everything / len(everything))
    number = min(NUM_FACTORS, len(values))
    factors = np.zeros((len(everything), NUM_FACTORS))
    leading = np.maximum(values[::-1][:number], 1e-9)
    factors[:, :number] = everything @ vectors[:, ::-1][:, :number] / np.sqrt(leading)
    return factors


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.get_default_dtype())
