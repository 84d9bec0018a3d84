"""The truth that a design draws: how the latent state makes measurements, label and absence."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit

from cohorts.synthetic.arrays import ArrayInstrument
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign, members, modalities_of
from cohorts.synthetic.events import EventsInstrument
from cohorts.synthetic.instruments import Instrument, draw_loading
from cohorts.synthetic.posterior import expected_risk
from cohorts.synthetic.tabular import TabularInstrument
from cohorts.synthetic.text import TextInstrument
from cohorts.synthetic.variants import VARIANTS, Kind

AGE_NOISE = 1.5
MALE = 0.4  # log odds of the label


@dataclass(frozen=True)
class Absence:
    """Who lacks what, among those who are not rich: P(present) = sigmoid(odds + male sex + age age + latent u).

    Attributes:
        odds: Log odds, float64 (M,).
        sex: Log odds of men above women, float64 (M,).
        age: Log odds per standard deviation of the measured age, float64 (M,).
        latent: Log odds per unit of u, float64 (M,); not 0 under MNAR only.
        patterns: bool (P, M); whole patterns are drawn where there are any.
        shares: How often each pattern occurs, float64 (P,), sum 1.
    """

    odds: np.ndarray
    sex: np.ndarray
    age: np.ndarray
    latent: np.ndarray
    patterns: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class World:
    """The truth.

    Attributes:
        instruments: Modality, besides demographics, to how it is measured.
        age_loading: float64 (1, K).
        slope: b, log odds of the label per unit of z, float64 (K,).
        intercept: a.
        direction: d of u = d z, a unit vector, float64 (K,).
        site_means: Mean of z at each site, float64 (4, K): one rich, two sparse, one held out.
        absence: Who lacks what.
    """

    instruments: dict[str, Instrument]
    age_loading: np.ndarray
    slope: np.ndarray
    intercept: float
    direction: np.ndarray
    site_means: np.ndarray
    absence: Absence


def make_world(design: SyntheticDesign, absence: AbsenceDesign, sizes: SizeDesign) -> World:
    """Draw a truth; the same design gives the same one, and a further modality changes none of the others."""
    rng, K = np.random.default_rng([design.seed, 0]), design.num_latent
    slope = rng.choice([-1, 1], K) * rng.uniform(0.6, 1, K)
    slope *= design.signal / np.linalg.norm(slope)
    aside = rng.standard_normal(K)
    along = slope / design.signal if design.signal else np.eye(K)[0]
    aside -= (aside @ along) * along
    age_loading = draw_loading(rng, 1, [0], K)
    instruments = {
        name: _make_instrument(name, kind, number, design, absence, sizes)
        for number, (name, kind) in enumerate(modalities_of(design).items())
    }
    return World(
        instruments=instruments,
        age_loading=age_loading,
        slope=slope,
        intercept=_intercept(design),
        # Near the label's own direction, so that under MNAR absence speaks of the label, but not only of it.
        direction=0.8 * along + 0.6 * aside / np.linalg.norm(aside),
        site_means=design.shift * rng.standard_normal((4, K)),
        absence=_make_absence(absence, list(instruments), float(np.hypot(np.linalg.norm(age_loading), AGE_NOISE))),
    )


def _intercept(design: SyntheticDesign) -> float:
    def excess(intercept: float) -> float:
        centre = intercept + MALE * np.array([0.0, 1.0])
        return float(expected_risk(centre, np.full(2, design.signal**2)).mean()) - design.prevalence

    limit = 20 + 10 * design.signal
    return float(brentq(excess, -limit, limit))


def _make_instrument(
    name: str, kind: Kind, number: int, design: SyntheticDesign, absence: AbsenceDesign, sizes: SizeDesign
) -> Instrument:
    rng, K = np.random.default_rng([design.seed, 1, number]), design.num_latent
    focus = sorted({(2 * number + step) % K for step in range(3)})
    if kind == "tabular":
        return TabularInstrument.make(name, rng, focus, K, sizes.num_columns, absence.gaps)
    if kind == "events":
        variant = VARIANTS[design.variant]
        return EventsInstrument.make(
            name,
            rng,
            focus,
            K,
            sizes.num_variables,
            window=variant.window,
            time_column=variant.time_column,
            num_events=sizes.num_events,
            absent=3 * absence.gaps,
        )
    if kind == "embedding":
        return ArrayInstrument.make_embedding(name, rng, focus, K, sizes.embedding_width)
    if kind == "image":
        return ArrayInstrument.make_image(name, rng, focus, K, sizes.image_size)
    return TextInstrument.make(name, rng, focus, K, sizes.num_words)


def _make_absence(absence: AbsenceDesign, names: list[str], age_spread: float) -> Absence:
    number = np.arange(len(names))
    by_group = absence.group_effect * (absence.mechanism in ("mar", "mnar")) * np.where(number % 4 < 2, 1, -1)
    table = absence.patterns or {"+".join(names[:count]): 1.0 for count in range(len(names) + 1)}
    table = table if absence.mechanism == "pattern" else {}
    shares = np.array(list(table.values()))
    return Absence(
        odds=logit(absence.availability) + absence.spread * np.linspace(0.5, -0.5, len(names)),
        sex=by_group * (number % 2 == 0),
        age=by_group * (number % 2 == 1) / age_spread,
        latent=np.full(len(names), absence.latent_effect * (absence.mechanism == "mnar")),
        patterns=np.array([[name in members(pattern) for name in names] for pattern in table]).reshape(-1, len(names)),
        shares=shares / shares.sum() if len(shares) else shares,
    )
