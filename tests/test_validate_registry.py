"""Judging with a registry: looks that are counted, and the champion on the same people."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.chain import QUICK, call

COMPARED = [
    {"kind": "integrity"},
    {"kind": "floor", "metric": "auroc", "floor": 0.55},
    {"kind": "non_inferiority", "metric": "auroc", "margin": 0.4},
    {"kind": "non_inferiority", "metric": "sensitivity", "margin": 0.45, "by_group": True},
    {"kind": "simple_baselines", "baselines": ["logistic", "presence"], "margin": 0.4},
    {"kind": "degradation", "margin": 0.45},
]


def policy_file(folder: Path, looks: int | None) -> Path:
    content = {
        "name": "compared",
        "owner": "tests",
        "intended_use": "tests",
        "operating_point": {"rule": "alerts", "value": 0.6},
        "looks": looks,
        "smallest_group": 3,
        "checks": COMPARED,
    }
    path = folder / f"policy{looks}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def other(whole: tuple[Path, str], tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second model: fine-tuned with the label made independent of sex."""
    folder = tmp_path_factory.mktemp("other") / "reweighed"
    words = ["--pretrained", whole[0] / "pretrain", "--transfer.reweigh", "sex", "--dashboard.mode", "disabled"]
    code, said = call("finetune", "--cohort", "synthetic", "--data", tables, *QUICK, *words, "--out", folder)
    assert code == 0, said
    return folder


def judge(tables: Path, model: Path, policy: Path, registry: Path, out: Path, *words: str) -> tuple[int, str]:
    what = ["--cohort", "synthetic", "--data", tables, "--model", model, "--policy", policy]
    return call("validate", *what, "--registry", registry, "--out", out, "--dashboard.mode", "disabled", *words)


@pytest.mark.slow
def test_the_champion_is_scored_on_the_same_people_and_promotion_holds_to_that_comparison(
    whole: tuple[Path, str], other: Path, tables: Path, tmp_path: Path
) -> None:
    registry, policy = tmp_path / "registry", policy_file(tmp_path, 5)
    first, second, before = tmp_path / "first", tmp_path / "second", tmp_path / "before"
    assert judge(tables, other, policy, registry, before)[0] == 0
    assert judge(tables, whole[0] / "finetune", policy, registry, first)[0] == 0
    decision = json.loads((first / "decision.json").read_text())
    assert decision["champion"] is None
    assert decision["looks"]["number"] == 2
    assert decision["looks"]["earlier"][0]["verdict"] == "PASS"
    code, said = call("promote", "--registry", registry, "--decision", first / "decision.json")
    assert code == 0, said
    code, said = call("promote", "--registry", registry, "--decision", before / "decision.json")
    assert code == 2, "it was judged when there was no champion yet"
    assert "validate again" in said
    code, said = judge(tables, other, policy, registry, second)
    assert code == 0, said
    decision = json.loads((second / "decision.json").read_text())
    assert decision["champion"] == json.loads((first / "decision.json").read_text())["model"]["digest"]
    by_kind = {(f["kind"], f["scope"]): f["verdict"] for f in decision["findings"]}
    assert by_kind["non_inferiority", "model minus champion"] == "PASS"
    assert by_kind["non_inferiority", "sex female, model minus champion"] == "PASS"
    assert {row["kind"] for row in decision["tables"]["comparisons"]} == {"baseline", "champion"}
    assert decision["looks"]["number"] == 1, "the same model looks once"
    code, said = call("promote", "--registry", registry, "--decision", second / "decision.json")
    assert code == 0, said
    code, said = call("promote", "--registry", registry, "--verify")
    assert code == 0, said


@pytest.mark.slow
def test_a_budget_of_looks_is_kept_before_anybody_is_scored(
    whole: tuple[Path, str], other: Path, tables: Path, tmp_path: Path
) -> None:
    registry, policy = tmp_path / "registry", policy_file(tmp_path, 1)
    assert judge(tables, other, policy, registry, tmp_path / "first")[0] == 0
    code, said = judge(tables, whole[0] / "finetune", policy, registry, tmp_path / "second")
    assert code == 2
    assert "models have looked at it, and the policy's budget is 1" in said
    assert not (tmp_path / "second" / "predictions.parquet").exists()
    shutil.rmtree(tmp_path / "first")
    assert judge(tables, other, policy, registry, tmp_path / "first")[0] == 0, "the same model again is no new look"
    code, said = call(
        "validate",
        "--cohort",
        "synthetic",
        "--data",
        tables,
        "--model",
        other,
        "--policy",
        policy,
        "--out",
        tmp_path / "x",
    )
    assert code == 2
    assert "allows 1 models to look at one held-out cohort" in said


@pytest.mark.slow
def test_mitigations_are_shown_beside_the_model_and_change_no_verdict(
    whole: tuple[Path, str], other: Path, tables: Path, tmp_path: Path
) -> None:
    policy, model = policy_file(tmp_path, None), whole[0] / "finetune"
    asked = ["--mitigate", "sex", "--reweighed.sex", str(other)]
    code, said = judge(tables, model, policy, tmp_path / "registry", tmp_path / "with", *asked)
    assert code == 0, said
    assert judge(tables, model, policy, tmp_path / "registry", tmp_path / "without")[0] == 0
    with_them, without = (json.loads((tmp_path / n / "decision.json").read_text()) for n in ("with", "without"))
    assert with_them["findings"] == without["findings"]
    ways = {row["mitigation"].split(",")[0] for row in with_them["tables"]["mitigation"]}
    assert ways == {"as it is", "thresholds by sex: true positive rate parity", "fine-tuned with sex reweighed"}
    assert without["tables"]["mitigation"] == []
    code, said = judge(tables, model, policy, tmp_path / "registry", tmp_path / "x", "--mitigate", "income")
    assert code == 2
    assert "mitigate: no sensitive feature `income`; the cohort has sex, age" in said
    code, said = judge(tables, model, policy, tmp_path / "r", tmp_path / "x", "--reweighed.age", str(other))
    assert code == 2
    assert "reweighed.age: was trained with transfer.reweigh sex" in said


def test_what_is_missing_or_does_not_belong_together_is_said_at_once(tmp_path: Path) -> None:
    code, said = call("validate", "--threshold", "0.3", "--out", tmp_path / "x")
    assert code == 2
    for part in ("--cohort is needed", "--model is needed", "--threshold does not belong to --model"):
        assert part in said
