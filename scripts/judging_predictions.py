"""The steps of validate for predictions that another tool made: no model is there, and what needs one is not asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file, digest_of_text, write_table
from cohorts.spec import CohortSpec, load_spec
from scripts.dashboard import DashboardOptions
from scripts.judging import conclude, fix_operating_point
from scripts.looks import take_look, tell_outcome
from scripts.record import PREDICTIONS, notes_on_policy, provenance
from scripts.stage import Stage
from validation.checks import Evidence
from validation.operating_point import given_point, operating_point
from validation.policy import Policy
from validation.predictions import CHAMPION, SENSITIVE, WEIGHT, sensitive_features
from validation.reading import NOT_GIVEN, read_predictions


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

    @property
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
        patterns = [pattern for pattern in self.table["pattern"].unique() if pattern != NOT_GIVEN["pattern"]]
        return sorted({name for pattern in patterns for name in pattern.split("+")})


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


def judge_given(
    stage: Stage,
    given: Given,
    policy: Policy,
    *,
    registry: Path | None,
    key: Path | None,
    dashboard: DashboardOptions,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Judge predictions of another tool, as `scripts.judging.judge` does those of a model.

    Returns:
        The decision.
    """
    table, part = given.table, given.table["part"]
    if given.threshold is None:
        point = operating_point(table[part == "tuning"], policy.operating_point)
    else:
        point = given_point(given.threshold)
    point = fix_operating_point(stage, point)
    looks = take_look(registry, key, policy, held_out=given.fingerprint, model=digest_of_file(given.file))
    write_table(stage.folder / PREDICTIONS, table)
    held_out = table[part == "held_out"].reset_index(drop=True)
    facts = {"No subject is both held out and tuned on": True}  # a subject stands in one row, of one part
    evidence = Evidence(held_out, point["threshold"], given.declared, facts, given.champion_threshold, has_model=False)
    record = _record(stage, given, policy, point) | {"looks": looks}
    decision = conclude(stage, policy, evidence, table, given.modalities, record, dashboard=dashboard, options=options)
    tell_outcome(registry, key, given.fingerprint, decision)
    return decision


def _record(stage: Stage, given: Given, policy: Policy, point: dict[str, Any]) -> dict[str, Any]:
    described = ("title", "source", "licence", "leakage_notes", "label", "label_name")
    about = {key: getattr(given.spec, key) if given.spec else "" for key in described}
    return {
        "model": {"digest": digest_of_file(given.file), "path": None},
        "cohort": {
            **about,
            "name": given.spec.name if given.spec else given.file.stem,
            "label_name": about["label_name"] or "label 1",
            "label": about["label"] or "label",
            "weight": WEIGHT if WEIGHT in given.table else None,
            "spec": given.spec.digest if given.spec else "not given",
            "fingerprint": given.fingerprint,
            "split": "not given",
        },
        "controls": {},
        "champion": None,
        "champion_threshold": given.champion_threshold,
        "operating_point": point,
        "predictions": {"digest": digest_of_file(stage.folder / PREDICTIONS)},
        "notes": [
            "another tool made these predictions: how its model was trained, and whether it saw the held-out subjects, "
            "is not known here",
            *notes_on_policy(policy),
        ],
        "provenance": provenance({}),
    }


def depends_on(given: Given, policy: Policy) -> dict[str, str]:
    """All that the decision follows from."""
    fixed = {"threshold": given.threshold, "champion_threshold": given.champion_threshold}
    return {
        "predictions": digest_of_file(given.file),
        "policy": policy.digest,
        **({"spec": given.spec.digest} if given.spec else {}),
        **{name: canonical_json(value) for name, value in fixed.items() if value is not None},
    }
