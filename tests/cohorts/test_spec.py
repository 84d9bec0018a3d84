"""Specs: what they refuse, in which words."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cohorts.errors import InputError
from cohorts.spec import CATALOG, CohortSpec, load_spec, parse_spec


def content() -> dict:
    return yaml.safe_load((CATALOG / "synthetic.yaml").read_text())


CASES: list[tuple[Callable[[dict], None], str]] = [
    (lambda c: c.update(lable="x"), "lable: is not a field; `python -m cohorts.spec` prints"),
    (lambda c: c.pop("label"), "label: Field required"),
    (lambda c: c.update(name="My Cohort"), "name: String should match pattern"),
    (
        lambda c: c["modalities"]["ecg"].update(table="egc"),
        "modality ecg: its table `egc` is not among the tables subjects",
    ),
    (lambda c: c["modalities"]["ecg"].update(numeric=[]), "modalities.ecg: has no column"),
    (lambda c: c["modalities"]["ecg"].update(numeric=["a", "a"]), "names a column twice: a"),
    (
        lambda c: c["modalities"]["ecg"].update(missing_codes={"hr": [0]}),
        "`missing_codes` speaks of columns that are not listed: hr",
    ),
    (
        lambda c: c["modalities"]["demographics"].update(numeric=["age", "outcome"]),
        "`outcome` is in the label `outcome = 1`",
    ),
    (
        lambda c: c.update(label="OUTCOME = 1") or c["modalities"]["demographics"].update(numeric=["outcome"]),
        "is in the label",
    ),
    (lambda c: c["tables"]["imaging"].update(missing_codes=["?"]), "`missing_codes` of a table are for CSV"),
    (lambda c: c["modalities"]["ecg"].update(missing_codes={"ecg_1": [False]}), "YAML reads yes, no, true and false"),
    (
        lambda c: c["modalities"]["demographics"].update(numeric=["age", "subject_id"]),
        "the subject id `subject_id` cannot be a feature",
    ),
    (
        lambda c: c["modalities"].update(again={"table": "ecg", "numeric": ["ecg_1"]}),
        "column ecg.ecg_1: is in two modalities, ecg and again",
    ),
    (lambda c: c["roles"].pop("held_out"), "roles: give `held_out`, or set `split.held_out_fraction` above 0"),
    (
        lambda c: c.update(split={"held_out_fraction": 0.2}),
        "`held_out` and `split.held_out_fraction` exclude each other",
    ),
    (
        lambda c: c.update(split={"tuning_fraction": 1.5}),
        r"split.tuning_fraction: Input should be less than 0.8 \(value: 1.5\)",
    ),
    (lambda c: c["sensitive_features"]["age"].update(names={1: "x"}), "give either `names` .* or `bands`"),
    (lambda c: c["sensitive_features"]["age"].update(bands=[60, 50]), "`bands` must rise strictly"),
    (lambda c: c["sensitive_features"]["sex"].update(names={"F": "Unknown"}), '"Unknown" is kept for absent values'),
    (lambda c: c["tables"]["ecg"].update(header=False), "give `columns` where `header` is false"),
    (lambda c: c["tables"]["ecg"].update(file_column="site"), "`file_column` needs `files` as a map"),
    (
        lambda c: c["modalities"].update({"a+b": {"table": "ecg", "numeric": ["x"]}}),
        "name `a\\+b`: must be lower-case letters",
    ),
]


@pytest.mark.parametrize(("change", "message"), CASES)
def test_a_broken_spec_is_refused_by_name_and_rule(change: Callable[[dict], None], message: str) -> None:
    broken = content()
    change(broken)
    with pytest.raises(InputError, match=message):
        parse_spec(broken, "cohort x")


def test_all_problems_come_at_once() -> None:
    broken = content()
    broken["modalities"]["ecg"]["table"] = "egc"
    broken["modalities"]["labs"]["table"] = "lasb"
    with pytest.raises(InputError) as caught:
        parse_spec(broken, "cohort x")
    assert len(caught.value.problems) == 2


def test_an_unknown_name_lists_the_catalog() -> None:
    with pytest.raises(InputError, match="nor one of those that ship: heart_disease, nhanes, physionet2012, synthetic"):
        load_spec("hart")


def test_text_that_is_no_yaml_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1")
    (tmp_path / "b.yaml").write_text("just text")
    with pytest.raises(InputError, match=r"cannot be read as YAML .* in line 1"):
        load_spec(str(tmp_path / "a.yaml"))
    with pytest.raises(InputError, match="must be a YAML map of fields"):
        load_spec(str(tmp_path / "b.yaml"))


def test_every_field_has_a_sentence_and_the_schema_can_be_printed() -> None:
    printed = subprocess.run([sys.executable, "-m", "cohorts.spec"], capture_output=True, text=True, check=True).stdout
    schema = json.loads(printed)
    for name, model in {"CohortSpec": schema, **schema["$defs"]}.items():
        for field, about in model["properties"].items():
            assert about.get("description", "").endswith("."), f"{name}.{field} has no sentence"


def test_a_spec_survives_the_way_through_json_with_its_order() -> None:
    spec = load_spec("heart_disease")
    again = CohortSpec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json"))))
    assert again == spec
    assert list(again.modalities) == list(spec.modalities)


def test_a_derived_column_of_the_label_is_refused() -> None:
    content = yaml.safe_load((CATALOG / "synthetic.yaml").read_text())
    content["modalities"]["labs"] |= {"derive": {"sneaky": "subjects.outcome * 20 + age"}}
    content["modalities"]["labs"]["numeric"].append("sneaky")
    with pytest.raises(InputError, match=r"modality labs: .* uses outcome of the label"):
        parse_spec(content, "x")
