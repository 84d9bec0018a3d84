"""What a decision says to other standards: every item is there, nothing is made up, the XML has the schema's form."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cohorts.files import canonical_json, write_whole
from scripts.command_line import run
from scripts.export import export
from tests.validation.cases import make_decision, make_held_out, make_policy
from tests.validation.report_cases import HOSTILE, make_large
from validation.crosswalk import UNKNOWN, as_csv, crosswalks
from validation.model_card import NAMESPACE, model_card

# Elements of the schema v0.2 in its order; those with "?" may be left out, those with "*" may be repeated.
SCHEMA: list[Any] = yaml.safe_load("""
- BasicInfo: [ModelName, ModelDeveloper, DeveloperContact]
- ReleaseInfo:
  - ReleaseStage
  - ReleaseDate
  - ReleaseVersion
  - GlobalAvailability
  - EHRCompatibility?: [EHR*]
  - RegulatoryApproval?
- ModelSummary: [Summary, {Keywords: [Keyword*]}]
- UsesAndDirections:
  - IntendedUseAndWorkflow
  - PrimaryIntendedUsers
  - HowToUse
  - TargetedPatientPopulation
  - CautionedOutOfScopeSettings
- Warnings: [KnownRisksAndLimitations, KnownBiasesOrEthicalConsiderations, ClinicalRiskLevel]
- TrustIngredients:
  - AISystemFacts:
    - OutcomesAndOutputs
    - ModelType
    - FoundationModels?
    - InputDataSource
    - OutputAndInputDataTypes
    - DevelopmentDataCharacterization
    - BiasMitigationApproaches
    - OngoingMaintenance
    - Security?
    - Transparency?
  - TransparencyInformation:
    - FundingSource
    - ThirdPartyInformation?
    - StakeholdersConsulted
- KeyMetrics:
  - UsefulnessUsabilityEfficacy: &metric
    - MetricGoal
    - Results: [{MetricResult*: [Label, ValueJson]}]
    - Interpretation
    - TestType
    - TestingDataDescription
    - ValidationProcessAndJustification
  - FairnessEquity: *metric
  - SafetyReliability: *metric
- Resources:
  - EvaluationReferences?
  - ClinicalTrial?
  - PeerReviewedPublications
  - ReimbursementStatus?
  - PatientConsentOrDisclosure
- Bibliography
""")


@pytest.fixture(scope="module")
def decision() -> dict[str, Any]:
    return make_large(2, 2, 800)


def broken(element: ElementTree.Element, sequence: list[Any]) -> list[str]:
    """Where an element's children are not the schema's sequence."""
    children, problems = list(element), []
    for part in sequence:
        marked, inner = next(iter(part.items())) if isinstance(part, dict) else (part, None)
        name, found = marked.rstrip("?*"), 0
        while children and children[0].tag == f"{{{NAMESPACE}}}{name}" and (found == 0 or marked.endswith("*")):
            child, found = children.pop(0), found + 1
            if inner is None and (len(child) or not (child.text or "").strip()):
                problems.append(f"{name} is no text")
            problems += broken(child, inner) if inner else []
        if not found and marked[-1] not in "?*":
            problems.append(f"{name} is missing")
    return problems + [f"{child.tag} is too many" for child in children]


def test_the_model_card_has_the_elements_of_the_schema_in_its_order(decision: dict[str, Any]) -> None:
    root = ElementTree.fromstring(model_card(decision))
    assert root.tag == f"{{{NAMESPACE}}}AppliedModelCard"
    assert broken(root, SCHEMA) == []
    assert broken(root, SCHEMA[:-1]) == [f"{{{NAMESPACE}}}Bibliography is too many"]
    assert broken(root, [*SCHEMA, "More"]) == ["More is missing"]


def test_results_in_the_model_card_are_those_of_the_decision(decision: dict[str, Any]) -> None:
    root = ElementTree.fromstring(model_card(decision))
    found = {
        result.findtext(f"{{{NAMESPACE}}}Label"): json.loads(result.findtext(f"{{{NAMESPACE}}}ValueJson") or "")
        for result in root.iter(f"{{{NAMESPACE}}}MetricResult")
    }
    auroc = next(row for row in decision["tables"]["performance"] if row["metric"] == "auroc")
    assert [found["AUROC"][key] for key in ("estimate", "lower", "upper", "level")] == [
        *(auroc[key] for key in ("value", "lower", "upper")),
        95.0,
    ]
    assert "Sensitivity, sex female" in found


def test_both_crosswalks_have_every_item_once_and_say_what_is_not_known(decision: dict[str, Any]) -> None:
    walks = {walk["name"]: walk for walk in crosswalks(decision)}
    assert len(walks["hti1"]["rows"]) == 31
    tripod = [row["item"] for row in walks["tripod_ai"]["rows"]]
    assert sorted({int("".join(filter(str.isdigit, item))) for item in tripod}) == list(range(1, 28))
    assert len(tripod) == 52
    for walk in walks.values():
        items = [row["item"] for row in walk["rows"]]
        assert len(set(items)) == len(items)
        assert walk["answered"] == sum(row["answer"] != UNKNOWN for row in walk["rows"]) > 5
        assert not any("{{" in row["answer"] or "None" in row["answer"] for row in walk["rows"])
    answers = {row["item"]: row["answer"] for row in walks["hti1"]["rows"]}
    assert answers["1 ii"] == UNKNOWN
    assert "AUROC 0." in answers["7 iii"]


def test_a_placeholder_is_no_answer(decision: dict[str, Any]) -> None:
    policy = {**decision["policy"], "intended_use": "PLACEHOLDER: say what for"}
    answers = {row["item"]: row["answer"] for row in crosswalks({**decision, "policy": policy})[0]["rows"]}
    assert answers["2 i"] == UNKNOWN


def test_hostile_names_break_neither_xml_nor_csv() -> None:
    decision = make_large(2, 2, 600, names=HOSTILE + "\x07{}")
    assert broken(ElementTree.fromstring(model_card(decision)), SCHEMA) == []
    for walk in crosswalks(decision):
        rows = list(csv.reader(io.StringIO(as_csv(walk))))
        assert {len(row) for row in rows} == {3}
        assert len(rows) == len(walk["rows"]) + 1


def test_a_formula_is_a_text_in_the_csv() -> None:
    rows = [{"item": "1", "asked": "x", "answer": '=HYPERLINK("http://example.org")'}]
    assert as_csv({"rows": rows}).splitlines()[1].startswith("1,x,\"'=HYPERLINK")


def test_the_command_writes_three_files_and_refuses_a_changed_decision(tmp_path: Path) -> None:
    decision = make_decision(make_held_out(600), make_policy(), "ab" * 32)
    path, out = tmp_path / "decision.json", tmp_path / "exported"
    write_whole(path, canonical_json(decision))
    assert run(export, ["--decision", str(path), "--out", str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["hti1.csv", "model_card.xml", "tripod_ai.csv"]
    write_whole(path, canonical_json({**decision, "verdict": "FAIL"}))
    assert run(export, ["--decision", str(path), "--out", str(out)]) == 2
