"""Bundles: whole, verified, and only for the cohorts that they were made for."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_tensors

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.preprocessing import Preprocessing
from cohorts.spec import parse_spec
from cohorts.splits import Split
from lightning_modules.bundle import Bundle, check_same_inputs, fresh_network, load_bundle, save_bundle
from lightning_modules.calibration import Calibration
from lightning_modules.config import CalibrationOptions, NetworkOptions
from lightning_modules.conformal import Conformal
from lightning_modules.scoring import calibrate, label_sets, score


@pytest.fixture(params=["attention", "late"])
def bundle(request: pytest.FixtureRequest, people: Cohort, preprocessing: Preprocessing) -> Bundle:
    options = NetworkOptions(fusion=request.param)
    network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return Bundle(network.eval(), options, preprocessing, people.spec, {"stage": "test"})


def test_a_bundle_comes_back_with_the_same_scores(bundle: Bundle, people: Cohort, tmp_path: Path) -> None:
    saved = save_bundle(bundle, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.digest == saved.digest
    assert list(loaded.preprocessing.fitted) == people.modalities
    np.testing.assert_array_equal(score(loaded, people), score(bundle, people))


def test_scores_follow_modalities_by_name_and_not_by_position(bundle: Bundle, people: Cohort) -> None:
    content = people.spec.model_dump(mode="json")
    content["modalities"] = dict(reversed(content["modalities"].items()))
    spec = parse_spec(content, "reversed")
    turned = replace(people, spec=spec, features=dict(reversed(people.features.items())))
    np.testing.assert_array_equal(score(bundle, turned), score(bundle, people))


def test_a_subject_scores_the_same_alone_and_in_any_batch(bundle: Bundle, people: Cohort) -> None:
    everybody = score(bundle, people)
    some = np.array([5, 17, 300])
    np.testing.assert_array_equal(score(bundle, people.take(some)), everybody[some])
    for row in some:
        assert score(bundle, people.take(np.array([row])))[0] == everybody[row]


@pytest.mark.parametrize("name", ["weights.safetensors", "bundle.json"])
def test_a_changed_byte_is_noticed_and_named(bundle: Bundle, tmp_path: Path, name: str) -> None:
    save_bundle(bundle, tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"{name} is not what its manifest says"):
        load_bundle(tmp_path / "bundle")


def test_a_missing_file_or_folder_is_named(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors is missing"):
        load_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match="no such folder; give one that pretrain or finetune made"):
        load_bundle(tmp_path / "nothing")


def test_a_cohort_with_other_inputs_is_refused_with_each_difference(bundle: Bundle) -> None:
    content = bundle.spec.model_dump(mode="json")
    content["modalities"]["ecg"]["numeric"] = ["ecg_1"]
    content["label"] = "outcome = 2"
    with pytest.raises(InputError) as caught:
        check_same_inputs(bundle, parse_spec(content, "other"))
    said = str(caught.value)
    assert "modality ecg: the bundle has" in said
    assert "label: the bundle has `outcome = 1`, the spec synthetic has `outcome = 2`" in said
    assert "was made for the spec synthetic" in said


def test_a_bundle_holds_no_subject_id(bundle: Bundle, people: Cohort, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "bundle.json").read_text()
    assert not any(f'"{subject}"' in text for subject in people.subject_id)


@pytest.fixture
def calibrated(bundle: Bundle, people: Cohort, split: Split) -> Bundle:
    tuning = people.take(split.rows("sparse_tuning", "sparse_train"))
    return calibrate(bundle, tuning, CalibrationOptions(method="beta"))[0]


def test_a_calibration_comes_back_with_the_bundle_and_changes_its_scores(
    calibrated: Bundle, people: Cohort, tmp_path: Path
) -> None:
    save_bundle(calibrated, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.calibration == calibrated.calibration != Calibration()
    assert loaded.conformal == calibrated.conformal != Conformal()
    np.testing.assert_array_equal(score(loaded, people), score(calibrated, people))
    assert np.abs(score(loaded, people) - score(loaded, people, calibrated=False)).max() > 0.01


def test_an_uncalibrated_score_is_what_the_network_says(bundle: Bundle, calibrated: Bundle, people: Cohort) -> None:
    np.testing.assert_array_equal(score(calibrated, people, calibrated=False), score(bundle, people))


def test_calibrated_scores_are_those_of_the_pattern_by_name_and_not_by_position(
    calibrated: Bundle, people: Cohort
) -> None:
    names, counts = np.unique(people.pattern, return_counts=True)
    commonest = names[counts.argmax()]
    apart = replace(calibrated, calibration=Calibration("platt", (1.0, 1.0, 0.0), {str(commonest): (1.0, 1.0, 2.0)}))
    content = people.spec.model_dump(mode="json")
    content["modalities"] = dict(reversed(content["modalities"].items()))
    spec = parse_spec(content, "reversed")
    turned = replace(people, spec=spec, features=dict(reversed(people.features.items())))
    np.testing.assert_array_equal(score(apart, turned), score(apart, people))
    raised = score(apart, people) > score(apart, people, calibrated=False)
    np.testing.assert_array_equal(raised, people.pattern == commonest)


def test_calibration_sees_the_tuning_subjects_only_and_leaves_the_network_alone(
    bundle: Bundle, people: Cohort, split: Split
) -> None:
    rows = split.rows("sparse_tuning")
    before = {name: weights.clone() for name, weights in bundle.network.state_dict().items()}
    label = np.where(split.part == "sparse_tuning", people.label, 1 - people.label)
    others = replace(people, label=label)
    one, other = (calibrate(bundle, cohort.take(rows), CalibrationOptions())[0] for cohort in (people, others))
    assert one.calibration == other.calibration
    assert one.conformal == other.conformal
    assert all(torch.equal(before[name], weights) for name, weights in bundle.network.state_dict().items())


def test_the_cohorts_weights_count_in_calibration(bundle: Bundle, people: Cohort, split: Split) -> None:
    tuning = people.take(split.rows("sparse_tuning", "sparse_train"))
    heavy = replace(tuning, weight=np.where(tuning.label > 0, 20.0, 1.0))
    options = CalibrationOptions(method="platt", by_pattern=False)
    even, tilted = (calibrate(bundle, cohort, options)[0] for cohort in (tuning, heavy))
    assert tilted.calibration.overall[2] > even.calibration.overall[2] + 1
    assert tilted.conformal.overall != even.conformal.overall


def test_sets_need_a_bundle_that_was_calibrated(bundle: Bundle, calibrated: Bundle, people: Cohort) -> None:
    sets = label_sets(calibrated, people, score(calibrated, people), 0.2)
    assert set(sets) <= {"negative", "positive", "both", "none"}
    assert len(set(sets)) > 1
    with pytest.raises(InputError, match="holds no nonconformity of tuning subjects"):
        label_sets(bundle, people, score(bundle, people), 0.2)


def test_a_bundle_of_another_version_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    save_bundle(bundle, folder)
    content = json.loads((folder / "bundle.json").read_text())
    tensors = bundle.network.state_dict()
    other = {**content, "options": {**content["options"], "depth_of_old": 3}}
    for name, held in (
        ("bundle.json", json.dumps(other).encode()),
        ("weights.safetensors", save_tensors({f"old.{key}": value for key, value in tensors.items()})),
    ):
        before = (folder / name).read_bytes()
        put(folder, name, held)
        with pytest.raises(InputError, match="is whole, but networks were built otherwise by the version"):
            load_bundle(folder)
        put(folder, name, before)
    load_bundle(folder)


def put(folder: Path, name: str, held: bytes) -> None:
    """Change a file of a bundle, and its manifest with it."""
    (folder / name).write_bytes(held)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[name] = hashlib.sha256(held).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
