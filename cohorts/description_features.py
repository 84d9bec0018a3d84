"""Features of a description: what there is of each modality, its gaps, and how rich and sparse differ in it."""

import re
from typing import Any

import numpy as np
import pandas as pd

from cohorts.checks import SMALLEST_SHOWN
from cohorts.cohort import Cohort
from cohorts.description_tables import roles_of, share
from cohorts.disclosure import suppressed
from cohorts.leaks import summaries
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
                role: _gaps(known[feature].to_numpy()[(cohort.role == role) & cohort.presence[:, number]])
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
    """Standardised differences, the largest first; a level that fewer than 11 people have, or lack, shows no figure.

    Returns:
        Rows with modality, feature, mean_a, mean_b, difference (b minus a in pooled standard deviations), approximate
        and sensitive.
    """
    table = standardised_differences(cohort, a, b)
    levels = _levels(cohort, (a, b))
    rows = []
    for found in table.to_dict("records"):
        row: dict[str, Any] = {name: found[name] for name in ("modality", "feature")}
        row |= {name: float(f"{found[name]:.4g}") for name in FIGURES} | {"approximate": False}
        row |= _as_shown([levels.get((found["modality"], found["feature"], role)) for role in (a, b)])
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


def _gaps(known: np.ndarray) -> dict[str, Any]:
    counts = {"num_subjects": len(known), "num_present": int(known.sum()), "num_absent": int((~known).sum())}
    shown = suppressed(pd.DataFrame([counts]), SMALLEST_SHOWN, ())[0]
    return {**shown, "value": share(shown["num_absent"], shown["num_present"])["value"]}


def _levels(cohort: Cohort, roles: tuple[str, str]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(modality, feature, role) to the share who are 1, for features that are 0 or 1, as it may be shown.

    Levels of one column add up, together with those too rare to be features, so they are a family.
    """
    values = summaries(cohort)
    rows = []
    for role in roles:
        part = values[cohort.role == role]
        binary = part.columns[(part.isin((0, 1)) | part.isna()).all() & part.notna().any()]
        families = pd.Series([f"{modality}\0{str(feature).split(' = ')[0]}" for modality, feature in binary])
        for family, of_family in binary.to_frame(index=False).groupby(families.to_numpy()):
            columns = [tuple(row) for row in of_family.to_numpy()]
            known, ones = int(part[columns[0]].notna().sum()), part[columns].sum().astype(int)
            counts = {(modality, str(feature)): int(ones[modality, feature]) for modality, feature in columns}
            if " = " in str(columns[0][1]):
                counts[columns[0][0], REST] = known - sum(counts.values())
            rows += [
                {"modality": modality, "feature": feature, "family": family, "role": role}
                | {"num_present": count, "num_absent": known - count}
                for (modality, feature), count in counts.items()
            ]
    shown = suppressed(pd.DataFrame(rows), SMALLEST_SHOWN, ("family", "role"))
    return {
        (row["modality"], row["feature"], row["role"]): share(row["num_present"], row["num_absent"])
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
    found = round(float((pb - pa) / spread), 2) if spread > 0 else None
    return {"mean_a": pa, "mean_b": pb, "difference": found, "approximate": True}
