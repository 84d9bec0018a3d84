"""Decisions of many shapes for the tests of the report and of what is exported from it."""

import copy
from typing import Any

import numpy as np

from tests.validation.cases import make_held_out, make_policy
from validation.checks import Evidence
from validation.decision import decide

HOSTILE = "</script><script>document.title='taken'</script>&\"'<b>" + "w" * 300
EVERY_TABLE: dict[str, list[dict[str, Any]]] = {
    "comparisons": [
        {
            "against": "gradient boosting",
            "kind": "baseline",
            "metric": "auroc",
            "value": -0.01,
            "lower": -0.03,
            "upper": 0.01,
        }
    ],
    "degradation": [
        {"num_removed": 0, "mean": 0.85, "lower": 0.8, "upper": 0.9, "worst": 0.85, "best": 0.85},
        {"num_removed": 1, "mean": 0.74, "lower": 0.7, "upper": 0.78, "worst": 0.61, "best": 0.82},
    ],
    "subsets": [
        {"subset": "labs", "num_modalities": 1, "value": 0.7, "lower": 0.6, "upper": 0.8}
        | {"change": -0.15, "change_lower": -0.2, "change_upper": -0.1}
    ],
    "modality_effects": [
        {"feature": "sex", "group": "female", "modality": "ecg", "value": -0.04, "lower": -0.07, "upper": -0.01}
        | {"support": 412}
    ],
    "shapley": [{"modality": "labs", "value": 0.05, "lower": 0.04, "upper": 0.06}],
    "standardised_gaps": [
        {"feature": "sex", "group": "female", "metric": "sensitivity", "gap": -0.08, "gap_lower": -0.1}
        | {"gap_upper": -0.06, "availability": -0.05, "treatment": -0.03, "treatment_lower": -0.05}
        | {"treatment_upper": -0.01}
    ],
    "presence_alone": [{"target": "sex female", "value": 0.55, "lower": 0.52, "upper": 0.58}],
    "pattern_shift": [{"missingness": "reversed", "value": 0.78, "lower": 0.75, "upper": 0.81}],
    "mitigation": [
        {"mitigation": "threshold by group", "feature": "sex", "group": "female", "metric": "sensitivity"}
        | {"value": 0.85, "lower": 0.8, "upper": 0.9, "support": 300}
    ],
}


def make_large(
    num_groups: int = 8, num_modalities: int = 6, num_subjects: int = 3000, *, names: str = "region {}"
) -> dict[str, Any]:
    """A decision of two sexes, some regions and some modalities; the first region is served badly.

    Without regions it has no sensitive feature.
    """
    held_out = make_held_out(num_subjects).drop(columns="sensitive.age")
    rng = np.random.default_rng(1)
    modalities = [f"modality {number}" for number in range(num_modalities)]
    regions = [names.format(number) for number in range(num_groups)]
    declared = {"sex": ["female", "male"], "region": regions} if regions else {}
    if regions:
        held_out["sensitive.region"] = rng.choice(regions, num_subjects)
        worst = (held_out["sensitive.region"] == regions[0]) & (held_out["label"] == 1)
        held_out.loc[worst, "score"] = held_out.loc[worst, "score"] * 0.5
    else:
        held_out = held_out.drop(columns="sensitive.sex")
    has = rng.random((num_subjects, num_modalities)) < np.linspace(0.95, 0.4, num_modalities)
    has[:, 0] = True
    held_out["pattern"] = ["+".join(np.array(modalities)[row]) for row in has]
    by_group = [{"kind": "floor_by_group", "metric": m, "floor": 0.7} for m in ("sensitivity", "specificity")]
    policy = make_policy(
        {"kind": "integrity"},
        {"kind": "floor", "metric": "auroc", "floor": 0.7},
        *by_group,
        {"kind": "gap_by_group", "metric": "sensitivity", "margin": 0.15},
        {"kind": "pattern_floor", "floor": 0.6},
    )
    evidence = Evidence(held_out, 0.3, declared, {"all is as it was": True})
    people = held_out.drop(columns=["score", "control.scratch"])
    return decide(policy, evidence, people, modalities, make_record())


def make_record() -> dict[str, Any]:
    """Digests and descriptions as validate keeps them."""
    texts = ("title", "source", "licence", "leakage_notes", "label", "label_name")
    return {
        "model": {"digest": "ab" * 32, "path": "../bundle"},
        "cohort": {
            "name": "clinic",
            **{name: f"the {name.replace('_', ' ')}" for name in texts},
            **dict.fromkeys(["spec", "fingerprint", "split"], "0" * 64),
            "weight": None,
        },
        "controls": {"scratch": "0" * 64},
        "operating_point": {"threshold": 0.3, "rule": "chosen by hand", "digest": "0" * 64},
        "predictions": {"digest": "0" * 64},
        "notes": ["a note"],
        "provenance": {"command": "r2s-validate", "versions": {"python": "3"}, "training": {"epochs": 3}},
    }


def with_everything(decision: dict[str, Any]) -> dict[str, Any]:
    """The decision with each table that it may carry, looks, a champion, harms and owners."""
    earlier: list[dict[str, Any]] = [
        {"number": 1, "time": "2026-01-01", "model": "cd" * 32, "verdict": "FAIL"}
        | {"auroc": {"value": 0.74, "lower": 0.7, "upper": 0.78}},
        {"number": 2, "time": "2026-02-01", "model": "ce" * 32, "verdict": None, "auroc": None},
    ]
    return {
        **decision,
        "tables": decision["tables"] | EVERY_TABLE,
        "looks": {"number": 3, "budget": 5, "earlier": earlier},
        "champion": "ef" * 32,
        "harms": ["a missed case is found late"],
        "owners": [{"name": "somebody", "role": "clinical lead"}],
    }


def widened(decision: dict[str, Any], num_groups: int) -> dict[str, Any]:
    """The decision with copies of one region in each table and check, until there are so many regions."""
    wide = copy.deepcopy(decision)
    copies = [f"copy {number}" for number in range(num_groups - len(wide["declared_groups"]["region"]))]
    wide["declared_groups"]["region"] += copies
    for rows in wide["tables"].values():
        found = [row for row in rows if row.get("feature") == "region" and row["group"] == "region 1"]
        rows += [{**row, "group": name} for name in copies for row in found]
        rows.sort(key=lambda row: (str(row.get("feature")), row.get("group", "")))
    found = [finding for finding in wide["findings"] if finding["scope"].startswith("region region 1")]
    for name in copies:
        for finding in found:
            texts = {key: finding[key].replace("region region 1", f"region {name}") for key in ("scope", "sentence")}
            wide["findings"].append({**finding, **texts})
    return wide
