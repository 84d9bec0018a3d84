"""Texts: who has one, and their hashed words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.modalities.text import FittedTexts, Texts, fit_texts
from tests.cohorts.ward import IDS, read

NOTES = ['cough, fever;\n"worse" since Monday', "no complaints", "  ", None, "Ödem 3+", "7"]


def read_notes(folder: Path, **more: int) -> Cohort:
    notes = pd.DataFrame({"patient": IDS, "note": np.resize(np.array(NOTES, dtype=object), len(IDS))})
    notes.sample(frac=1, random_state=2).to_csv(folder / "notes.csv", index=False)
    modality = {"kind": "text", "table": "notes", "column": "note", **more}
    return read(folder, {"note": modality}, {"notes": {"files": "notes.csv"}})


def test_texts_reach_their_subject_and_blank_ones_are_absent(tmp_path: Path) -> None:
    people = read_notes(tmp_path)
    expected = [None if note is None or not note.strip() else note for note in NOTES] * 10
    assert people.features["note"].values.tolist() == expected
    assert people.presence[:, 1].tolist() == [note is not None for note in expected]


def test_inputs_are_those_of_hashed_words(tmp_path: Path) -> None:
    people = read_notes(tmp_path, num_inputs=64, longest_ngram=3)
    texts = people.features["note"]
    inputs = fit_texts(texts, people.spec.modalities["note"]).transform(texts)
    oracle = HashingVectorizer(n_features=64, ngram_range=(1, 3)).transform([text or "" for text in texts.values])
    np.testing.assert_allclose(inputs, oracle.toarray(), atol=1e-6)
    assert inputs.dtype == np.float32
    assert (inputs[~texts.present] == 0).all()
    assert (np.abs(inputs[0]).sum()) > 0


def test_numbers_are_texts_too(tmp_path: Path) -> None:
    pd.DataFrame({"patient": IDS, "code": np.arange(len(IDS)) + 1000}).to_csv(tmp_path / "codes.csv", index=False)
    people = read(
        tmp_path, {"code": {"kind": "text", "table": "codes", "column": "code"}}, {"codes": {"files": "codes.csv"}}
    )
    assert people.features["code"].values[:2].tolist() == ["1000", "1001"]


def test_a_column_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modality note: table patients has no column note; it has patient, site"):
        read(tmp_path, {"note": {"kind": "text", "table": "patients", "column": "note"}})


def test_a_summary_counts_words_and_the_state_holds_no_text(tmp_path: Path) -> None:
    people = read_notes(tmp_path)
    texts = people.features["note"]
    assert texts.summary()["words"][:6].tolist()[:2] == [5, 2]
    assert texts.summary()["words"][2:4].isna().all()
    fitted = fit_texts(texts, people.spec.modalities["note"])
    assert fitted.state() == {"num_inputs": 1024, "longest_ngram": 2}
    assert FittedTexts.from_state(fitted.state()) == fitted


def test_the_content_tells_an_absent_text_from_an_empty_one_and_where_texts_end() -> None:
    contents = [
        b"".join(Texts(np.array(values, dtype=object)).content()) for values in (["a", None], ["a", ""], ["", "a"])
    ]
    assert len(set(contents)) == 3
