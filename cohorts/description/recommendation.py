"""The three axes on which a fusion strategy is chosen, and the strategy that they suggest to start from.

The axes and what each strategy can bear are those of Databricks, "Multimodal data integration: production architectures
for healthcare AI" (22 April 2026): how often each modality is present at deployment, balance of dimensions, temporal
dynamics. No strategy is best everywhere (Ma et al., Are multimodal transformers robust to missing modality?, CVPR 2022,
arXiv 2204.05454), so a suggestion is where to start measuring. The thresholds are this project's own, and not tuned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cohorts.cohort import Cohort
from cohorts.modalities.events import Events
from cohorts.preprocessing import Preprocessing, fit_preprocessing

Strategy = Literal["early", "intermediate", "late", "attention"]
SOURCE = (
    "Axes and strategies after Databricks, Multimodal data integration: production architectures for healthcare AI "
    "(22 April 2026); the thresholds are this project's own."
)
CAUTION = (
    "A place to start, and not a result: no strategy is best everywhere (Ma et al., CVPR 2022, arXiv 2204.05454). "
    "Train at least one other beside it, and let the held-out cohort decide, by pattern and by group."
)
NEARLY_ALL = 0.95  # share of deployed people who have every modality, from which absence is an exception
HALF = 0.5  # mean availability, under which most of what a model could read is absent
APART = 10.0  # ratio of the largest modality's inputs to the smallest one's, from which sizes are not balanced
MOMENTS = 3.0  # median number of moments a person, from which there is something to read over time
SOME = 0.2  # share of modalities that move, from which time matters
MOST_PEOPLE, MOST_INPUTS = 1000, 400  # of a modality, for its effective rank
LEAST_PEOPLE = 11


@dataclass(frozen=True)
class Axes:
    """What the rules look at.

    Attributes:
        complete: Share of the deployed people, the sparse cohort, who have every modality.
        mean_availability: Mean over modalities of the share of them who have it.
        ratio: Inputs of the largest modality by those of the smallest.
        moving: Share of modalities with a median of at least MOMENTS moments a person.
    """

    complete: float
    mean_availability: float
    ratio: float
    moving: float


@dataclass(frozen=True)
class Rule:
    """One strategy, when it is suggested, and why."""

    strategy: Strategy
    when: str
    why: str
    applies: Callable[[Axes], bool]


RULES = (
    Rule(
        "late",
        f"people of the deployment have less than {HALF:.0%} of the modalities on average",
        "Most of what a joint model could read is absent. One head for each modality still answers from whatever is "
        "there, and loses little with each that is not.",
        lambda axes: axes.mean_availability < HALF,
    ),
    Rule(
        "attention",
        f"at least {SOME:.0%} of the modalities are followed over {MOMENTS:g} or more moments",
        "What matters changes with time and from person to person. Attention weighs what is there, and an absent "
        "modality takes no part. It needs modality masking in training, and controls, for it learns spurious "
        "interactions too; its weights are not explanations.",
        lambda axes: axes.moving >= SOME,
    ),
    Rule(
        "late",
        f"fewer than {NEARLY_ALL:.0%} of the people of the deployment have every modality",
        "Absence is the rule, and nothing here calls for more. Late fusion degrades gracefully and is the safe start; "
        "early fusion would read the zero of an absent modality as a measurement.",
        lambda axes: axes.complete < NEARLY_ALL,
    ),
    Rule(
        "intermediate",
        f"the largest modality has more than {APART:g} times the inputs of the smallest",
        "Nearly everything is present, but a joint input would be drowned by the largest modality. An encoder for each "
        "brings all to the same width before they meet.",
        lambda axes: axes.ratio > APART,
    ),
    Rule(
        "early",
        "nearly everybody has everything, sizes are alike, and little moves with time",
        "Nothing is absent that could be mistaken for a zero, and no modality drowns another. One model of all inputs "
        "is the simplest; a boosted tree is worth trying first.",
        lambda axes: True,
    ),
)


def suggest(axes: Axes) -> tuple[int, Rule]:
    """The first rule that applies, and its position.

    Example:
        >>> suggest(Axes(complete=1.0, mean_availability=1.0, ratio=2.0, moving=0.0))[1].strategy
        'early'
        >>> suggest(Axes(complete=0.4, mean_availability=0.8, ratio=2.0, moving=0.0))[1].strategy
        'late'
    """
    return next((number, rule) for number, rule in enumerate(RULES) if rule.applies(axes))


def axes_of(cohort: Cohort, sizes: list[dict[str, Any]], dynamics: list[dict[str, Any]]) -> Axes:
    """The axes of a cohort.

    Args:
        cohort: With a sparse part, which stands for the deployment.
        sizes: From `sizes_of`.
        dynamics: From `dynamics_of`.
    """
    deployed = cohort.presence[cohort.role == "sparse"]
    inputs = [row["num_inputs"] for row in sizes]
    moving = [row for row in dynamics if (row["num_moments"] or 0) >= MOMENTS]
    return Axes(
        complete=float(deployed.all(axis=1).mean()),
        mean_availability=float(deployed.mean()),
        ratio=max(inputs) / max(1, min(inputs)),
        moving=len(moving) / len(cohort.modalities),
    )


def sizes_of(cohort: Cohort) -> list[dict[str, Any]]:
    """How much of a network's input each modality is.

    Returns:
        Rows with modality, kind, num_inputs (as preprocessing makes them of rich and sparse people) and effective_rank:
        the number of directions in which people differ, as the exponential of the entropy of the singular values (Roy
        and Vetterli, EUSIPCO 2007), of at most MOST_PEOPLE people and MOST_INPUTS inputs; None of too few people.
    """
    training = cohort.take(np.isin(cohort.role, ("rich", "sparse")))
    preprocessing = fit_preprocessing(training)
    return [
        {
            "modality": name,
            "kind": layout.kind,
            "num_inputs": layout.num_inputs,
            "effective_rank": _effective_rank(training, number, name, preprocessing),
        }
        for number, (name, layout) in enumerate(preprocessing.layouts.items())
    ]


def _effective_rank(training: Cohort, number: int, name: str, preprocessing: Preprocessing) -> float | None:
    having = np.flatnonzero(training.presence[:, number])
    if len(having) < LEAST_PEOPLE:
        return None
    draw = np.random.default_rng(0)
    some = np.sort(draw.permutation(having)[:MOST_PEOPLE])
    inputs = preprocessing.fitted[name].transform(training.features[name].take(some))
    inputs = inputs[:, np.sort(draw.permutation(inputs.shape[1])[:MOST_INPUTS])].astype(float)
    singular = np.linalg.svd(inputs - inputs.mean(axis=0), compute_uv=False)
    if singular.sum() <= 0:
        return 0.0
    shares = singular[singular > 0] / singular.sum()
    return round(float(np.exp(-(shares * np.log(shares)).sum())), 1)


def dynamics_of(cohort: Cohort) -> list[dict[str, Any]]:
    """How each modality of events moves, in rich and sparse people who have it.

    Returns:
        Rows with modality, num_values and num_moments (medians a person), and irregularity: the median over people with
        three moments or more of the standard deviation of the time between two moments by its mean; 0 is a clock, 1 is
        as random as it gets (a Poisson process). None where fewer than 11 people can tell.
    """
    training = np.flatnonzero(np.isin(cohort.role, ("rich", "sparse")))
    return [
        {"modality": name, **_dynamics(measurements.take(training))}
        for name, measurements in cohort.features.items()
        if isinstance(measurements, Events)
    ]


def _dynamics(events: Events) -> dict[str, float | None]:
    size = len(events)
    subject, time = events.subject, events.time
    new = np.ones(len(time), dtype=bool)
    new[1:] = (subject[1:] != subject[:-1]) | (time[1:] != time[:-1])
    moments = np.bincount(subject[new], minlength=size)
    of, at = subject[new], time[new]
    inside = of[1:] == of[:-1]
    owner, gap = of[1:][inside], np.diff(at)[inside]
    count = np.bincount(owner, minlength=size)
    some = np.maximum(count, 1)
    mean = np.bincount(owner, weights=gap, minlength=size) / some
    spread = np.sqrt(np.bincount(owner, weights=(gap - mean[owner]) ** 2, minlength=size) / some)
    enough = (count >= 2) & (mean > 0)
    return {
        "num_values": _median(np.diff(events.start)[moments > 0]),
        "num_moments": _median(moments[moments > 0]),
        "irregularity": _median(spread[enough] / mean[enough]),
    }


def _median(values: np.ndarray) -> float | None:
    return round(float(np.median(values)), 2) if len(values) >= LEAST_PEOPLE else None
