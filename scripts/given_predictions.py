"""Predictions that another tool made, with all that is known of their cohort."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file, digest_of_text
from cohorts.spec import CohortSpec, load_spec
from validation.modality_audit import modalities_of
from validation.policy import Policy
from validation.predictions import CHAMPION, SENSITIVE, sensitive_features
from validation.predictions_file import read_predictions


@dataclass(frozen=True)
class Given:
    """Predictions that are to be judged, and the spec of their cohort, if it was named.

    Attributes:
        file: Where they came from.
        table: Checked.
        spec: Whose declared groups, label and title hold; None for the groups that occur.
        threshold: Operating point that was fixed elsewhere; None for one by the policy's rule.
        champion_threshold: Likewise of the champion; None without a champion.
    """

    file: Path
    table: pd.DataFrame
    spec: CohortSpec | None
    threshold: float | None
    champion_threshold: float | None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of who is held out, and of their labels."""
        held_out = self.table.loc[self.table["part"] == "held_out", ["subject_id", "label"]].sort_values("subject_id")
        return digest_of_text(held_out.to_csv(index=False))

    @property
    def declared(self) -> dict[str, list[str]]:
        """Sensitive feature to its groups: those of the spec, or those that occur."""
        if self.spec is not None:
            return self.spec.declared_groups
        return {name: sorted(self.table[SENSITIVE + name].unique().tolist()) for name in sensitive_features(self.table)}

    @property
    def modalities(self) -> list[str]:
        """Names in the patterns."""
        return modalities_of(self.table["pattern"])


def load_given(
    file: Path, cohort: str | None, policy: Policy, threshold: float | None, champion_threshold: float | None
) -> Given:
    """Read and check predictions and spec.

    Raises:
        InputError: With every problem.
    """
    table = read_predictions(file)
    spec = load_spec(cohort) if cohort else None
    problems = []
    if not (table["part"] == "held_out").any():
        problems.append(f"predictions {file}: nobody is in the part held_out, so there is nobody to judge on")
    tuned = (table["part"] == "tuning").any() or policy.operating_point.rule == "cost_ratio"
    if threshold is None and not tuned:
        problems.append(
            f"predictions {file}: nobody is in the part tuning, on whom policy {policy.name} would choose the "
            "operating point; give such rows, or the threshold that was fixed before, with --threshold"
        )
    if (CHAMPION in table) != (champion_threshold is not None):
        problems.append(
            f"predictions {file}: a column champion and --champion_threshold, its operating point, belong together"
        )
    for name, value in {"threshold": threshold, "champion_threshold": champion_threshold}.items():
        if value is not None and not 0 <= value <= 1:
            problems.append(f"{name}: must be from 0 to 1, as a risk is (value: {value:g})")
    for name, groups in (spec.declared_groups if spec else {}).items():
        found = set(table[SENSITIVE + name].unique()) if SENSITIVE + name in table else None
        if found is None:
            problems.append(f"predictions {file}: no column {SENSITIVE}{name}, which the spec {cohort} declares")
        elif not found & set(groups):
            problems.append(f"predictions {file}: {SENSITIVE}{name} has none of the groups that the spec declares")
    if problems:
        raise InputError(problems)
    return Given(file, table, spec, threshold, champion_threshold)


def depends_on(given: Given, policy: Policy) -> dict[str, str]:
    """All that the decision follows from."""
    fixed = {"threshold": given.threshold, "champion_threshold": given.champion_threshold}
    return {
        "predictions": digest_of_file(given.file),
        "policy": policy.digest,
        **({"spec": given.spec.digest} if given.spec else {}),
        **{name: canonical_json(value) for name, value in fixed.items() if value is not None},
    }
