"""The catalog entry `synthetic`: four tabular modalities, some absent at random given age and sex (MAR).

Age and sex are always known, so absence itself says nothing more about the label.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from cohorts.synthetic.instruments import draw_loading
from cohorts.synthetic.posterior import Evidence, expected_risk, linear_evidence, moments_along

NUM_LATENT = 6
FEATURES = {"labs": 6, "ecg": 4, "imaging": 8, "wearable": 5}
SITES = {"north": "rich", "east": "sparse", "south": "sparse", "west": "held_out"}
# Share of sparse and held-out subjects who have a modality, before age and sex move it.
AVAILABILITY = {"labs": 0.85, "ecg": 0.7, "imaging": 0.45, "wearable": 0.4}
LAB_GAPS = 0.05  # share of single lab values that are missing inside a present panel


@dataclass(frozen=True)
class World:
    """The truth: how z makes measurements and label."""

    loadings: dict[str, np.ndarray]
    noise: dict[str, float]
    slope: np.ndarray
    male: float
    intercept: float
    site_means: dict[str, np.ndarray]


def make_world(seed: int) -> World:
    """Draw a truth; the same seed gives the same one."""
    rng = np.random.default_rng(seed)
    # Each modality sees its own part of z best, so that no modality replaces another.
    focus = {"age": [0], "labs": [0, 1, 2], "ecg": [2, 3], "imaging": [3, 4, 5], "wearable": [1, 5]}
    loadings = {}
    for name, size in {"age": 1, **FEATURES}.items():
        loadings[name] = draw_loading(rng, size, focus[name], NUM_LATENT)
    return World(
        loadings=loadings,
        noise={"age": 1.5, "labs": 0.6, "ecg": 0.5, "imaging": 0.6, "wearable": 0.6},
        slope=np.array([1.6, -1.4, 1.5, 1.2, 1.0, -0.9]),
        male=0.4,
        intercept=-1.2,
        site_means={site: 0.12 * rng.standard_normal(NUM_LATENT) for site in SITES},
    )


def write_entry(folder: Path, *, num_subjects: int, seed: int) -> None:
    """Write the tables of the catalog entry; see `cohorts.synthetic.write_tables`."""
    world, rng = make_world(seed), np.random.default_rng(seed + 1)
    shares = {"north": 0.5, "east": 0.09, "south": 0.06, "west": 0.35}
    site = np.repeat(list(shares), [round(num_subjects * share) for share in shares.values()])
    state = np.stack([world.site_means[s] for s in site]) + rng.standard_normal((len(site), NUM_LATENT))
    male = rng.random(len(site)) < 0.5
    logit = state @ world.slope + world.male * male + world.intercept
    label = rng.random(len(site)) < expit(logit)
    measured = {
        name: state @ weights.T + world.noise[name] * rng.standard_normal((len(site), len(weights)))
        for name, weights in world.loadings.items()
    }
    measured["labs"][rng.random(measured["labs"].shape) < LAB_GAPS] = np.nan
    _remove_modalities(measured, np.array([SITES[s] == "rich" for s in site]), male, rng)
    ids = np.array([f"{number:06d}" for number in rng.permutation(len(site))])
    _write(folder, ids, site, male, label, measured, bayes_scores(world, site, male, measured), rng)


def _remove_modalities(
    measured: dict[str, np.ndarray], rich: np.ndarray, male: np.ndarray, rng: np.random.Generator
) -> None:
    age = measured["age"][:, 0]
    for name, share in AVAILABILITY.items():
        odds = np.log(share / (1 - share)) + {"imaging": 0.8 * (male - 0.5), "wearable": -0.4 * age}.get(name, 0.0)
        absent = (rng.random(len(rich)) > expit(odds + np.zeros(len(rich)))) & ~rich
        measured[name][absent] = np.nan


def bayes_scores(world: World, site: np.ndarray, male: np.ndarray, measured: dict[str, np.ndarray]) -> np.ndarray:
    """P(label = 1 | the values that a subject has, sex, site), which no model can beat on average.

    Args:
        world: The truth.
        site: Site of each subject, (N,).
        male: bool (N,).
        measured: Values by modality (age among them), (N, F) each, NaN where absent.

    Returns:
        float64 (N,), 0 to 1.
    """
    everyone = np.arange(len(male))
    evidence = [
        Evidence(everyone, *linear_evidence(values, world.loadings[name], np.full(values.shape[1], world.noise[name])))
        for name, values in measured.items()
    ]
    prior = np.stack([world.site_means[s] for s in site])
    mean, covariance = moments_along(prior, [(part, everyone >= 0) for part in evidence], world.slope[None])
    return expected_risk(mean[:, 0] + world.male * male + world.intercept, covariance[:, 0, 0])


def _write(
    folder: Path,
    ids: np.ndarray,
    site: np.ndarray,
    male: np.ndarray,
    label: np.ndarray,
    measured: dict[str, np.ndarray],
    truth: np.ndarray,
    rng: np.random.Generator,
) -> None:
    subjects = pd.DataFrame(
        {
            "subject_id": ids,
            "site": site,
            "age": 58 + 7 * measured["age"][:, 0],
            "sex": np.where(male, "M", "F"),
            "outcome": label.astype(int),
        }
    )
    subjects.sample(frac=1, random_state=rng).to_csv(folder / "subjects.csv", index=False)
    pd.DataFrame({"subject_id": ids, "bayes_score": truth}).to_csv(folder / "truth.csv", index=False)
    for name, size in FEATURES.items():
        shown = np.exp(measured[name]) if name == "labs" else measured[name]
        frame = pd.DataFrame(shown, columns=[f"{name}_{number + 1}" for number in range(size)])
        frame.insert(0, "subject_id", ids)
        frame = frame[frame.notna().sum(axis=1) > 1].sample(frac=1, random_state=rng)
        if name in ("imaging", "wearable"):
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            frame.to_csv(folder / f"{name}.csv", index=False)
