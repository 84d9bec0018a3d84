"""Bundles: whole, verified, and only for the cohorts that they were made for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.preprocessing import Preprocessing
from cohorts.spec import parse_spec
from lightning_modules.bundle import Bundle, check_same_inputs, fresh_network, load_bundle, save_bundle
from lightning_modules.config import NetworkOptions
from lightning_modules.scoring import score


@pytest.fixture(params=["attention", "late"])
def bundle(request: pytest.FixtureRequest, people: Cohort, preprocessing: Preprocessing) -> Bundle:
    options = NetworkOptions(fusion=request.param)
    network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
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
