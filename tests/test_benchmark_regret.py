"""Regret: distance to the best score that there is, by pattern and by size."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks.measures import regrets
from scripts.benchmarks.regret import curve, regret


def test_the_best_score_has_no_regret_and_noise_has_some() -> None:
    rng = np.random.default_rng(1)
    best = rng.random(3000)
    label = (rng.random(3000) < best).astype(float)
    assert regrets(label, best, best)["auroc_regret"] == 0
    noisy = regrets(label, rng.random(3000), best)
    assert noisy["auroc_regret"] > 0.2
    assert noisy["log_loss_regret"] > 0.1


@pytest.mark.slow
def test_regret_is_measured_by_pattern_for_every_size(tmp_path: Path) -> None:
    from lightning_modules.config import TrainingOptions

    out = tmp_path / "regret.json"
    words = {"num_rich": 200, "num_held_out": 400, "models": "attention,scratch"}
    regret(out, num_sparse=(60, 120), training=TrainingOptions(num_epochs=1), **words)  # type: ignore[arg-type]
    found = json.loads(out.read_text())
    assert [(run["num_sparse"], run["model"]) for run in found["runs"]] == [
        (number, name) for number in (60, 120) for name in ("attention", "scratch")
    ]
    assert all(part["share"] >= 0.05 for run in found["runs"] for part in run["by_pattern"].values())
    assert len({run["overall"]["bayes_auroc"] for run in found["runs"]}) == 1
    assert set(found["curve"]) == {"attention", "scratch"}
    assert str(tmp_path) not in out.read_text()
    figure = out.with_suffix(".svg").read_text()
    assert all(text in figure for text in ("pretrained and fine-tuned", "scratch", ">120<"))


def test_a_curve_is_the_mean_of_its_repeats() -> None:
    runs = [
        {
            "model": "scratch",
            "num_sparse": 100,
            "overall": {"auroc_regret": value, "log_loss_regret": 2 * value},
            "by_pattern": {"a": {"auroc_regret": value}, "b": {"auroc_regret": 3 * value}},
        }
        for value in (0.1, 0.2)
    ]
    assert curve(runs)["scratch"]["100"] == pytest.approx(
        {"auroc_regret": 0.15, "log_loss_regret": 0.3, "worst_pattern_auroc_regret": 0.45}
    )
