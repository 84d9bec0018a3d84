"""The option transfer.reweigh of finetune: another network, calibrated to people as they are, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from lightning_modules.config import TransferOptions
from scripts import training_run, workflow
from tests.chain import call


@pytest.fixture(scope="module")
def common(tables: Path) -> list[str | Path]:
    quick = ["--training.num_epochs", "2", "--network.num_members", "1", "--dashboard.mode", "disabled"]
    return ["--cohort", "synthetic", "--data", tables, *quick]


@pytest.mark.slow
def test_a_feature_to_reweigh_by_makes_another_network_and_is_written_into_its_provenance(
    common: list[str | Path], tmp_path: Path
) -> None:
    said = {}
    for name, more in {"plain": [], "again": [], "age": ["--transfer.reweigh", "age"]}.items():
        code, said[name] = call("finetune", *common, *more, "--out", tmp_path / name)
        assert code == 0, said[name]
    plain, again, age = ((tmp_path / name / "bundle" / "weights.safetensors").read_bytes() for name in said)
    assert plain == again != age
    note = "age: weighs losses, those of tuning too, so that the label does not depend on age"
    assert note in said["age"].splitlines()
    assert "weighs losses" not in said["plain"]
    bundle = json.loads((tmp_path / "age" / "bundle" / "bundle.json").read_text())
    assert bundle["provenance"]["options"]["transfer"]["reweigh"] == "age"


def test_losses_have_the_new_weights_and_calibration_has_those_of_the_people(
    common: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def instead(*arguments: Any, **words: Any) -> None:
        given.update(batches=arguments[3], **words)

    monkeypatch.setattr(training_run, "train_and_save", instead)
    code, said = call("finetune", *common, "--transfer.reweigh", "sex", "--out", tmp_path / "out")
    assert code == 0, said
    assert given["batches"].cohort.weight.std() > 0
    assert given["trained"].rows.weight.std() > 0
    assert (given["calibrated_on"][0].weight == 1).all()


def test_a_feature_of_which_one_group_alone_has_both_labels_is_refused(people: Cohort) -> None:
    label = people.label.copy()
    label[people.sensitive["sex"] == "female"] = 0
    with pytest.raises(ValueError, match="fewer than two groups of sex have both labels in the sparse cohort"):
        TransferOptions(reweigh="sex").check(replace(people, label=label))
    TransferOptions(reweigh="sex").check(people)
    TransferOptions().check(replace(people, label=label))


@pytest.mark.parametrize("name", ["finetune", "workflow", "compare_fusions"])
def test_an_unknown_feature_is_refused_before_anything_is_written(name: str, tables: Path, tmp_path: Path) -> None:
    words = ["--cohort", "synthetic", "--data", tables, "--transfer.reweigh", "height", "--out", tmp_path / "out"]
    code, said = call(name, *words)
    assert code == 2
    assert said == "error: transfer.reweigh: the cohort has no sensitive feature `height`; it has sex, age\n"
    assert not (tmp_path / "out").exists()


def test_the_controls_of_a_workflow_are_weighed_like_its_model(
    common: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, TransferOptions] = {}

    def instead(*, out: Path, transfer: TransferOptions, **_: Any) -> None:
        given[out.name] = transfer

    monkeypatch.setattr(workflow, "pretrain", lambda **_: None)
    monkeypatch.setattr(workflow, "finetune", instead)
    monkeypatch.setattr(workflow, "choose_candidate", lambda *_: (_ for _ in ()).throw(InputError("enough")))
    assert call("workflow", *common, "--transfer.reweigh", "age", "--out", tmp_path / "out")[0] == 2
    assert {name: (each.replay_weight, each.reweigh) for name, each in given.items()} == {
        "finetune": (None, "age"),
        "scratch": (None, "age"),
        "pooled": (1.0, "age"),
    }
