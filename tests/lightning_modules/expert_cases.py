"""Rows with a known additive truth, and experts that are fitted to them."""

import numpy as np
import torch
from scipy.special import expit

from cohorts.preprocessing import Layout
from lightning_modules.additive import AdditiveExpert
from lightning_modules.additive_fit import fit_additive
from lightning_modules.ensemble import NOBODY
from lightning_modules.experts import Trained
from lightning_modules.rows import Rows

G = 4
LAYOUTS = {"a": Layout(3), "b": Layout(2)}
NEW = torch.full((400,), NOBODY)


def drawn(seed: int = 0, num: int = 400, bent: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = {name: rng.normal(size=(num, layout.num_inputs)).astype(np.float32) for name, layout in LAYOUTS.items()}
    presence = np.column_stack([np.ones(num, bool), rng.random(num) < 0.7])
    inputs["b"][~presence[:, 1]] = 0
    logits = inputs["a"][:, 0] - inputs["b"][:, 1] + bent * np.abs(inputs["a"][:, 1])
    return Rows(inputs, presence, (rng.random(num) < expit(logits)).astype(int), rng.uniform(0.5, 1.5, num))


def training(rows: Rows, seed: int = 0) -> Trained:
    group = np.arange(len(rows)) % G
    return Trained("sparse", {}, group, rows, group, np.ones(len(rows), dtype=bool), rows.presence, seed)


def fitted(rows: Rows) -> AdditiveExpert:
    own = training(rows)
    return fit_additive(LAYOUTS, rows, own.copies, own.group, own.judged, G)


def tensors(rows: Rows) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    return {name: torch.as_tensor(values) for name, values in rows.inputs.items()}, torch.as_tensor(rows.presence)


def common(num: int = 400) -> torch.Tensor:
    return torch.zeros(num, dtype=torch.bool)
