"""Features of a description: what there is of each modality, its gaps, and how rich and sparse differ in it."""

import re
from typing import Any

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.description.tables import roles_of, share
from cohorts.disclosure import suppressed
from cohorts.leaks import summaries
from cohorts.limits import NOTHING, SMALLEST_SHOWN, Shown, lower, of_parts
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.tabular import Tabular
from cohorts.shift import standardised_differences

KINDS = ("numeric", "ordinal", "categorical")
FIGURES = ("mean_a", "mean_b", "difference")
REST = "(rest)"


def features(cohort: Cohort) -> list[dict[str, Any]]:
    """Every column or variable of every modality that has some.

    Returns:
        Rows with modality, feature, kind, unit, sensitive (whether a sensitive feature is made from it), and gaps: role
        to num_subjects who have the modality, num_absent who lack this value all the same, and their share.
    """
    rows = []
    for number, (name, modality) in enumerate(cohort.spec.modalities.items()):
        known = _known(cohort, name)
        for feature in known.columns:
            row: dict[str, Any] = {"modality": name, "feature": str(feature), "kind": _kind(modality, str(feature))}
            row["unit"] = str(getattr(modality, "units", {}).get(feature, ""))
            row["sensitive"] = is_sensitive(cohort, str(feature))
            row["gaps"] = {
                role: _gaps(
                    known[feature].to_numpy()[(cohort.role == role) & cohort.presence[:, number]],
                    int((cohort.role == role).sum()),
                )
                for role in roles_of(cohort)
            }
            rows.append(row)
    return rows


def num_columns(cohort: Cohort, name: str) -> int:
    """Columns, variables or numbers that a modality has; 1 for an image or a text."""
    measurements = cohort.features[name]
    return (
        measurements.values.shape[1] if isinstance(measurements, Embedding) else max(1, _known(cohort, name).shape[1])
    )


def differences(cohort: Cohort, a: str = "rich", b: str = "sparse") -> list[dict[str, Any]]:
    """Standardised differences, the largest first; where fewer than 11 people of one cohort differ from the others in a
    feature, it shows no figure.

    Returns:
        Rows with modality, feature, mean_a, mean_b, difference (b minus a in pooled standard deviations), approximate
        and sensitive.
    """
    table = standardised_differences(cohort, a, b)
    values = summaries(cohort)
    levels = _levels(cohort, values, (a, b))
    rare = _rare(cohort, values, (a, b))
    rows = []
    for found in table.to_dict("records"):
        key = found["modality"], found["feature"]
        row: dict[str, Any] = {name: found[name] for name in ("modality", "feature")}
        unsure = any(_hides_how_many(cohort, values, key, role) for role in (a, b))
        binary = (*key, a) in levels
        row |= {name: _figure(found[name], name, unsure, binary) for name in FIGURES} | {"approximate": unsure}
        row |= dict.fromkeys(FIGURES) if key in rare else _as_shown([levels.get((*key, role)) for role in (a, b)])
        column = str(found["feature"]).split(" = ")[0].removesuffix(" (mean)")
        rows.append({**row, "sensitive": is_sensitive(cohort, column)})
    return sorted(rows, key=lambda row: -abs(row["difference"] or 0))


def is_sensitive(cohort: Cohort, column: str) -> bool:
    """Whether the expression of a sensitive feature speaks of a column."""
    word = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    return any(word.search(feature.expression) for feature in cohort.spec.sensitive_features.values())


def _known(cohort: Cohort, name: str) -> pd.DataFrame:
    """Which column or variable is known for whom, bool, N rows; no column for vectors, images and texts."""
    measurements = cohort.features[name]
    if isinstance(measurements, Tabular):
        return measurements.frame.notna()
    if cohort.spec.modalities[name].kind != "events":
        return pd.DataFrame(index=range(len(cohort)))
    return measurements.summary().notna().rename(columns=lambda column: str(column).removesuffix(" (mean)"))


def _kind(modality: Any, feature: str) -> str:
    return next((kind for kind in KINDS if feature in getattr(modality, kind, ())), "over time")


def _gaps(known: np.ndarray, size: int) -> dict[str, Any]:
    """Of those of a cohort of this size who have a modality: where their number is hidden, nothing here tells it."""
    num_absent = int((~known).sum())
    having = of_parts([size], [len(known)], SMALLEST_SHOWN)[0][0]
    if isinstance(having, str):
        return {"num_subjects": having, **_gaps_of_limit(num_absent, having, size)}
    counts = {"num_subjects": len(known), "num_present": len(known) - num_absent, "num_absent": num_absent}
    shown = suppressed(pd.DataFrame([counts]), SMALLEST_SHOWN, ())[0]
    return {**shown, "value": share(shown["num_absent"], shown["num_present"])["value"]}


def _gaps_of_limit(num_absent: int, having: str, size: int) -> dict[str, Any]:
    """Where nearly all have a modality, and `size` less 1 to 10 do."""
    fewest = size - SMALLEST_SHOWN + 1 if having.startswith("≥") and size >= 2 * SMALLEST_SHOWN else 0
    few = 0 < num_absent < SMALLEST_SHOWN
    rest = fewest - (SMALLEST_SHOWN - 1 if few else num_absent)
    absent: Shown = f"<{SMALLEST_SHOWN}" if few else num_absent
    present: Shown = lower(rest, SMALLEST_SHOWN)
    if rest < SMALLEST_SHOWN:
        absent, present = NOTHING, NOTHING
    return {"num_present": present, "num_absent": absent, "value": share(absent, present)["value"]}


def _figure(value: float, name: str, unsure: bool, binary: bool) -> float:
    """To four digits; more coarsely where a fraction would tell of how many people it is."""
    return round(value, 2) if unsure and (binary or name == "difference") else float(f"{value:.{3 if unsure else 4}g}")


def _hides_how_many(cohort: Cohort, values: pd.DataFrame, key: tuple[str, str], role: str) -> bool:
    """Whether it may not be told how many people of a cohort have a feature."""
    member = cohort.role == role
    size, known = int(member.sum()), int(values.loc[member, key].notna().sum())
    has = int((member & cohort.presence[:, cohort.modalities.index(key[0])]).sum())
    return any(0 < count < SMALLEST_SHOWN for count in (has, size - has, known, has - known))


def _rare(cohort: Cohort, values: pd.DataFrame, roles: tuple[str, str]) -> set[tuple[str, str]]:
    """(modality, feature) of which, in one cohort, fewer than 11 people have another than the commonest value."""
    found = set()
    for role in roles:
        part = values[cohort.role == role]
        for number, key in enumerate(part.columns):
            counts = part.iloc[:, number].value_counts()
            if len(counts) and 0 < counts.sum() - counts.iloc[0] < SMALLEST_SHOWN:
                found.add((str(key[0]), str(key[1])))
    return found


def _levels(cohort: Cohort, values: pd.DataFrame, roles: tuple[str, str]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(modality, feature, role) to the share who have the higher of two values, for features that have two.

    Levels of one column add up, together with those too rare to be features, so they are a family.

    Returns:
        The share as it may be shown, and the two values, low and high.
    """
    member = np.isin(cohort.role, roles)
    low, high = values[member].min(), values[member].max()
    binary = values.columns[
        (values[member].eq(low) | values[member].eq(high) | values[member].isna()).all() & low.lt(high)
    ]
    families: dict[str, list[tuple[str, str]]] = {}
    keys: list[tuple[str, str]] = [(key[0], key[1]) for key in binary.to_list()]
    for key in keys:
        families.setdefault(f"{key[0]}\0{str(key[1]).split(' = ')[0]}", []).append(key)
    rows = []
    for role in roles:
        part = values[cohort.role == role]
        for family, columns in families.items():
            known = int(part[columns[0]].notna().sum())
            counts = {key: int(part[key].eq(high[key]).sum()) for key in columns}
            if " = " in str(columns[0][1]):
                counts[columns[0][0], REST] = known - sum(counts.values())
            rows += [
                {"modality": modality, "feature": feature, "family": family, "role": role}
                | {"num_present": count, "num_absent": known - count}
                for (modality, feature), count in counts.items()
            ]
    shown = suppressed(pd.DataFrame(rows), SMALLEST_SHOWN, ("family", "role")) if rows else []
    return {
        (row["modality"], row["feature"], row["role"]): share(row["num_present"], row["num_absent"])
        | {"low": float(low[row["modality"], row["feature"]]), "high": float(high[row["modality"], row["feature"]])}
        for row in shown
        if row["feature"] != REST
    }


def _as_shown(shares: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Figures to show instead of the exact ones, from shares as they are shown; none where one is hidden."""
    known = [found for found in shares if found is not None]
    exact = not any(found["approximate"] or found["value"] is None for found in known)
    if exact:
        return {}
    if len(known) < 2 or any(found["value"] is None for found in known):
        return dict.fromkeys(FIGURES)
    pa, pb = (found["value"] for found in known)
    spread = np.sqrt((pa * (1 - pa) + pb * (1 - pb)) / 2)
    difference = round(float((pb - pa) / spread), 2) if spread > 0 else None
    low, high = known[0]["low"], known[0]["high"]
    means = [float(f"{low + value * (high - low):.3g}") for value in (pa, pb)]
    return {"mean_a": means[0], "mean_b": means[1], "difference": difference, "approximate": True}
