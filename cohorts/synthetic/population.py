"""Subjects drawn from a truth, and the Bayes score of each for its own pattern or for another one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cohorts.errors import InputError
from cohorts.synthetic.design import SyntheticDesign
from cohorts.synthetic.posterior import (
    Evidence,
    expected_risk,
    expected_risk_given_presence,
    linear_evidence,
    moments_along,
)
from cohorts.synthetic.variants import VARIANTS
from cohorts.synthetic.world import AGE_NOISE, MALE, World


@dataclass(frozen=True, repr=False)
class Population:
    """Subjects and their truth; rows of all parts belong together.

    Attributes:
        world: The truth.
        site: Position of the site, 0 (rich) to 3 (held out), int (N,).
        state: z, which no model may see, float64 (N, K).
        male: bool (N,).
        age: The measured age in units of the latent model, float64 (N,).
        label: bool (N,).
        presence: Who has which modality besides demographics, bool (N, M), in the order of `world.instruments`.
        odds: Log odds of presence at u = 0, float64 (N, M).
        drawn: Whether absence was drawn and not given by protocol, bool (N,): True where not rich.
    """

    world: World
    site: np.ndarray
    state: np.ndarray
    male: np.ndarray
    age: np.ndarray
    label: np.ndarray
    presence: np.ndarray
    odds: np.ndarray
    drawn: np.ndarray

    @property
    def modalities(self) -> list[str]:
        """Modalities besides demographics, in the order of the columns of `presence`."""
        return list(self.world.instruments)


@dataclass(frozen=True, repr=False)
class Truth:
    """A population and all that its measurements say.

    Attributes:
        population: Who they are.
        evidence: Modality to what it says of those who have it.
        subject_id: Texts, (N,), in the order of the population.
    """

    population: Population
    evidence: Mapping[str, Evidence]
    subject_id: np.ndarray


def draw_population(design: SyntheticDesign, world: World) -> Population:
    """Draw subjects, labels and absence."""
    rng = np.random.default_rng([design.seed, 2])
    site = _draw_sites(design)
    state = world.site_means[site] + rng.standard_normal((len(site), design.num_latent))
    male = rng.random(len(site)) < 0.5
    label = rng.random(len(site)) < expit(state @ world.slope + MALE * male + world.intercept)
    age = (state @ world.age_loading.T)[:, 0] + AGE_NOISE * rng.standard_normal(len(site))
    drawn = site > 0
    absence = world.absence
    odds = absence.odds + absence.sex * (male - 0.5)[:, None] + absence.age * age[:, None]
    if len(absence.patterns):
        presence = absence.patterns[rng.choice(len(absence.patterns), size=len(site), p=absence.shares)]
    else:
        chance = expit(odds + absence.latent * (state @ world.direction)[:, None])
        presence = rng.random(chance.shape) < chance
    return Population(world, site, state, male, age, label, presence | ~drawn[:, None], odds, drawn)


def _draw_sites(design: SyntheticDesign) -> np.ndarray:
    sparse = 1 - design.rich_share - design.held_out_share
    ends = np.cumsum([design.rich_share, 0.6 * sparse, 0.4 * sparse])
    counts = np.diff([0, *np.rint(ends * design.num_subjects).astype(int), design.num_subjects])
    assert len(counts) == len(VARIANTS[design.variant].sites)
    return np.repeat(np.arange(len(counts)), counts)


def bayes_scores(truth: Truth, hidden: np.ndarray | None = None, *, from_pattern: bool = True) -> np.ndarray:
    """P(label = 1 | demographics, site, the measurements of the present modalities), which no model beats on average.

    Under MNAR the pattern counts as well: P(label = 1 | measurements, pattern).

    Args:
        truth: What `write_cohort` returned.
        hidden: Modalities besides demographics to do without, bool (N, M) or (M,), in the order of
            `population.modalities`: neither what was measured nor whether it was measured is known. By default none.
        from_pattern: False leaves the pattern out under MNAR, as a model would that takes absence for chance.

    Returns:
        float64 (N,), 0 to 1, in the order of `truth.subject_id`.

    Raises:
        InputError: `hidden` has another shape.
    """
    people, world = truth.population, truth.population.world
    known = np.ones_like(people.presence) if hidden is None else ~np.asarray(hidden, dtype=bool)
    if known.shape not in (people.presence.shape, people.presence.shape[1:]):
        raise InputError(
            f"hidden: must have the shape {people.presence.shape} or {people.presence.shape[1:]}, subjects by "
            f"{', '.join(people.modalities)} (shape: {known.shape})"
        )
    used = people.presence & known
    everyone = np.arange(len(people.age))
    noise = np.array([AGE_NOISE])
    age = Evidence(everyone, *linear_evidence(people.age[:, None], world.age_loading, noise))
    evidence = [(age, everyone >= 0)]
    evidence += [(truth.evidence[name], used[:, number]) for number, name in enumerate(people.modalities)]
    directions = np.stack([world.slope, world.direction])
    mean, covariance = moments_along(world.site_means[people.site], evidence, directions)
    mean[:, 0] += MALE * people.male + world.intercept
    scores = expected_risk(mean[:, 0], covariance[:, 0, 0])
    if from_pattern and np.any(world.absence.latent):
        telling = people.drawn[:, None] & known
        rows = np.flatnonzero(telling.any(axis=1))
        scores[rows] = expected_risk_given_presence(
            mean[rows], covariance[rows], people.odds[rows], world.absence.latent, used[rows], telling[rows]
        )
    return scores
