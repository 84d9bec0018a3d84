"""Whether transfer helps, told by people whom no model saw: a pretrained network beside its controls."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cohorts.cohort import Cohort
from cohorts.splits import Split
from lightning_modules.bundle import Bundle
from lightning_modules.calibration_choice import mean_and_error
from lightning_modules.experts import judged_parts
from lightning_modules.rows import log_losses
from lightning_modules.scoring import logits_of


@dataclass(frozen=True)
class Gain:
    """By how much a model betters a control.

    Attributes:
        mean: Log loss of the control minus that of the model; above 0, the model is better.
        standard_error: Of the mean, paired by subject.
        num_people: On whom it was measured.
    """

    mean: float
    standard_error: float
    num_people: int

    @classmethod
    def of(cls, model: np.ndarray, control: np.ndarray, weight: np.ndarray) -> "Gain":
        """From the log losses of the same people, and their weights, each (N,)."""
        return cls(*mean_and_error(control - model, weight), len(model))


def gains_over(model: Bundle, controls: Mapping[str, Bundle], people: Cohort, split: Split) -> dict[str, Gain]:
    """Gain over each control, on the sparse people of training and tuning, each scored out of the bag.

    Where a network has no groups, on the tuning people alone. Calibration is left out: it was fitted to these people.
    """
    judged = people.take(split.rows(*judged_parts(model.network.num_groups)))

    def losses(bundle: Bundle) -> np.ndarray:
        return log_losses(logits_of(bundle, judged, out_of_bag=True), judged.label)

    own = losses(model)
    return {name: Gain.of(own, losses(bundle), judged.weight) for name, bundle in controls.items()}


def better_control(gains: Mapping[str, Gain]) -> str | None:
    """The rule of the fallback: the best of the controls that better the model by more than a standard error, or None.

    A pretrained network is kept where nobody can tell the two apart.
    """
    better = [name for name, gain in gains.items() if -gain.mean > gain.standard_error]
    return min(better, key=lambda name: gains[name].mean) if better else None
