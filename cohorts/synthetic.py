"""Rich, sparse and held-out cohorts with a known truth: the best score that any model could give to each subject.

The latent model: a state z ~ N(mean of the site, I) drives every measurement, x = W z + noise, some of them shown
through exp; the label is Bernoulli(sigmoid(b z + c [male] + a)). Given any subset of values, z is Gaussian in closed
form, so the Bayes score of a subject for its own pattern is one Gauss-Hermite sum. Modalities are absent at random
given age and sex, which are always known (MAR), so absence itself says nothing more about the label.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

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
        weights = 0.15 * rng.standard_normal((size, NUM_LATENT))
        weights[:, focus[name]] += rng.choice([-1, 1], (size, len(focus[name]))) * rng.uniform(
            0.4, 1, (size, len(focus[name]))
        )
        loadings[name] = weights
    return World(
        loadings=loadings,
        noise={"age": 1.5, "labs": 0.6, "ecg": 0.5, "imaging": 0.6, "wearable": 0.6},
        slope=np.array([1.6, -1.4, 1.5, 1.2, 1.0, -0.9]),
        male=0.4,
        intercept=-1.2,
        site_means={site: 0.12 * rng.standard_normal(NUM_LATENT) for site in SITES},
    )


def write_tables(folder: Path, *, num_subjects: int = 6000, seed: int = 7) -> None:
    """Write the tables of the catalog entry `synthetic`.

    subjects.csv, labs.csv, ecg.csv, imaging.parquet and wearable.parquet, each in a row order of its own and only with
    those who have the modality; truth.csv holds each subject's Bayes score and is named by no spec.

    Args:
        folder: Existing folder.
        num_subjects: Half of them rich, 15 % sparse, 35 % held-out: much is known where much was measured.
        seed: Seed of truth, subjects and absence.
    """
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
    weights = np.concatenate([world.loadings[name] for name in measured])
    noise = np.concatenate([np.full(values.shape[1], world.noise[name]) for name, values in measured.items()])
    values = np.concatenate(list(measured.values()), axis=1)
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(48)
    scores = np.empty(len(values))
    patterns, member = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    prior = np.stack([world.site_means[s] for s in site])
    for number, seen in enumerate(patterns):
        rows = np.flatnonzero(member.ravel() == number)
        loading = weights[seen]
        covariance = np.linalg.inv(np.eye(NUM_LATENT) + (loading.T / noise[seen] ** 2) @ loading)
        residual = values[np.ix_(rows, np.flatnonzero(seen))] - prior[rows] @ loading.T
        mean = prior[rows] + (residual / noise[seen] ** 2) @ loading @ covariance
        centre = mean @ world.slope + world.male * male[rows] + world.intercept
        spread = np.sqrt(world.slope @ covariance @ world.slope)
        scores[rows] = expit(centre[:, None] + spread * nodes) @ node_weights / node_weights.sum()
    return scores


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
