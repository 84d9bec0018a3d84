"""Whether transfer helps: the gain over a control, and the rule by which a control takes the model's place."""

import numpy as np
import pytest

from lightning_modules.transfer import Gain, better_control


def test_a_gain_is_the_weighted_mean_of_paired_differences() -> None:
    model, control = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.2, 0.2, 0.5, 0.3])
    assert Gain.of(model, control, np.ones(4)).mean == pytest.approx(0.05)
    assert Gain.of(model, control, np.array([1.0, 1, 1, 3])).mean == pytest.approx((0.1 + 0 + 0.2 - 0.3) / 6)


def test_its_standard_error_is_that_of_other_draws_of_people() -> None:
    rng = np.random.default_rng(0)
    means = [Gain.of(np.zeros(400), rng.normal(0.1, 2.0, 400), np.ones(400)).mean for _ in range(2000)]
    error = Gain.of(np.zeros(400), rng.normal(0.1, 2.0, 400), np.ones(400)).standard_error
    assert error == pytest.approx(np.std(means), rel=0.15)


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ({"scratch": (0.01, 0.02), "pooled": (0.0, 0.0)}, None),
        ({"scratch": (-0.01, 0.02), "pooled": (-0.02, 0.02)}, None),  # worse, but not by more than a standard error
        ({"scratch": (-0.03, 0.02), "pooled": (0.01, 0.001)}, "scratch"),
        ({"scratch": (-0.03, 0.02), "pooled": (-0.04, 0.02)}, "pooled"),
        ({"scratch": (-0.05, 0.06), "pooled": (-0.04, 0.02)}, "pooled"),  # the other one may be chance
    ],
)
def test_the_best_control_that_is_better_by_more_than_a_standard_error_takes_over(
    gains: dict[str, tuple[float, float]], chosen: str | None
) -> None:
    assert better_control({name: Gain(*pair, num_people=100) for name, pair in gains.items()}) == chosen
