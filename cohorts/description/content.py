"""What there is to know of a cohort before a model sees it, as plain data that may be shown."""

from typing import Any

import numpy as np

from cohorts.cohort import Cohort
from cohorts.concerns import concerns_about
from cohorts.description.features import differences, features, num_columns
from cohorts.description.recommendation import CAUTION, RULES, SOURCE, Axes, axes_of, dynamics_of, sizes_of, suggest
from cohorts.description.tables import EVERYBODY, availability, patterns, people, roles_of
from cohorts.limits import SMALLEST_SHOWN
from cohorts.shift import tells_apart
from cohorts.spec import role_expression

SCHEMA = "rich2sparse/description/1"


def describe(cohort: Cohort) -> dict[str, Any]:
    """Describe a cohort.

    Args:
        cohort: Labelled, with a rich and a sparse part.

    Returns:
        Plain data without NaN: cohort, roles, modalities, people, patterns, availability, differences, apart, concerns,
        features and strategy. No subject identifiers, no count of people from 1 to 10, and none from which one follows
        by subtraction within a table.
    """
    available = availability(cohort)
    sizes, dynamics = sizes_of(cohort), dynamics_of(cohort)
    return {
        "schema": SCHEMA,
        "smallest_shown": SMALLEST_SHOWN,
        "cohort": _about(cohort),
        "roles": roles_of(cohort),
        "modalities": _modalities(cohort, sizes, dynamics),
        "people": people(cohort),
        "patterns": patterns(cohort),
        "availability": available,
        "differences": differences(cohort),
        "apart": _apart(cohort),
        "concerns": [
            {"severity": found.severity, "kind": found.kind, "sentence": found.sentence}
            for found in concerns_about(cohort)
        ],
        "features": features(cohort),
        "strategy": strategy(axes_of(cohort, sizes, dynamics), available, sizes, dynamics),
    }


def strategy(
    axes: Axes, available: list[dict[str, Any]], sizes: list[dict[str, Any]], dynamics: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the axes say, the strategy that they suggest, why, and the rules in their order.

    Args:
        axes: From `axes_of`.
        available: From `availability`.
        sizes: From `sizes_of`.
        dynamics: From `dynamics_of`.
    """
    number, rule = suggest(axes)
    deployed = [row for row in available if row["feature"] == EVERYBODY and row["role"] == "sparse"]
    return {
        "suggestion": rule.strategy,
        "why": rule.why,
        "axes": [
            {
                "name": "presence at deployment",
                "value": round(axes.mean_availability, 2),
                "sentence": _of_presence(axes, deployed),
            },
            {"name": "balance of dimensions", "value": round(axes.ratio, 1), "sentence": _of_balance(axes, sizes)},
            {
                "name": "temporal dynamics",
                "value": round(axes.moving, 2),
                "sentence": _of_dynamics(axes, sizes, dynamics),
            },
        ],
        "rules": [{"strategy": r.strategy, "when": r.when, "applied": n == number} for n, r in enumerate(RULES)],
        "source": SOURCE,
        "caution": CAUTION,
    }


def _of_presence(axes: Axes, deployed: list[dict[str, Any]]) -> str:
    known = [row for row in deployed if row["value"] is not None]
    rarest = min(known, key=lambda row: row["value"], default=None)
    few = [row["modality"] for row in deployed if str(row["num_present"]).startswith("<") or row["num_present"] == 0]
    said = f"People of the sparse cohort have {axes.mean_availability:.0%} of the modalities on average"
    if few:
        return f"{said}; hardly anybody has {', '.join(few)}."
    if rarest and rarest["value"] < 1:
        return f"{said}; the rarest, {rarest['modality']}, is there for {rarest['value']:.0%} of them."
    return f"{said}."


def _of_balance(axes: Axes, sizes: list[dict[str, Any]]) -> str:
    largest, smallest = (choose(sizes, key=lambda row: row["num_inputs"]) for choose in (max, min))
    return (
        f"Inputs go from {smallest['num_inputs']} ({smallest['modality']}) to {largest['num_inputs']} "
        f"({largest['modality']}), a ratio of {axes.ratio:.3g}."
    )


def _of_dynamics(axes: Axes, sizes: list[dict[str, Any]], dynamics: list[dict[str, Any]]) -> str:
    if not dynamics:
        return "No modality has values over time: each is measured once."
    said = f"{len(dynamics)} of {len(sizes)} modalities have values over time"
    known = [row for row in dynamics if row["num_moments"] is not None]
    if not known:
        return f"{said}, for too few people to say how they move."
    busiest = max(known, key=lambda row: row["num_moments"])
    irregular = [row["irregularity"] for row in known if row["irregularity"] is not None]
    how = f"; the time between two varies by {np.median(irregular):.0%} of its mean" if irregular else ""
    return f"{said}, up to a median of {busiest['num_moments']:g} moments a person ({busiest['modality']}){how}."


def _about(cohort: Cohort) -> dict[str, Any]:
    spec = cohort.spec
    rules = {role: getattr(spec.roles, role) for role in ("rich", "sparse", "held_out")}
    return {
        **{name: getattr(spec, name) for name in ("name", "title", "source", "licence", "leakage_notes")},
        **{name: getattr(spec, name) for name in ("label", "label_name", "site", "time", "weight")},
        "roles": {role: role_expression(rule, spec) for role, rule in rules.items() if rule is not None},
        "held_out_fraction": spec.split.held_out_fraction,
        "effective_size": _effective_sizes(cohort) if spec.weight else None,
        "spec": spec.digest,
        "fingerprint": cohort.fingerprint,
    }


def _effective_sizes(cohort: Cohort) -> dict[str, float]:
    """Role to how many people of equal weight would say as much (Kish, Survey Sampling, 1965), to two digits."""
    weights = {role: cohort.weight[cohort.role == role] for role in roles_of(cohort)}
    return {role: float(f"{w.sum() ** 2 / (w**2).sum():.2g}") for role, w in weights.items()}


def _modalities(cohort: Cohort, sizes: list[dict[str, Any]], dynamics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    moving = {row["modality"]: row for row in dynamics}
    nothing = dict.fromkeys(("num_values", "num_moments", "irregularity"))
    return [
        {**row, "num_columns": num_columns(cohort, row["modality"]), **nothing, **moving.get(row["modality"], {})}
        for row in sizes
    ]


def _apart(cohort: Cohort) -> dict[str, Any]:
    """How well a classifier tells rich from sparse: value, lower and upper, or None where it cannot be tried."""
    found = tells_apart(cohort)
    names = ("value", "lower", "upper")
    figures = {
        part: None if found[part] is None else dict(zip(names, [round(float(x), 3) for x in found[part]], strict=True))
        for part in ("presence", "values")
    }
    return {**figures, "modalities": list(found["modalities"])}
