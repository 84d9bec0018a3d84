"""What a design asks for is what its files hold."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.errors import InputError
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign
from cohorts.synthetic.population import Population
from cohorts.synthetic.tables import write_cohort
from cohorts.synthetic.text import MIDDLE, STEP, TextInstrument
from cohorts.synthetic.variants import Kind

ROOT = Path(__file__).parents[2]
TWO: dict[str, Kind] = {"labs": "tabular", "note": "text"}
SMALL = SizeDesign(num_columns=3, num_variables=2, num_events=3, embedding_width=12, image_size=8, num_words=4)


def draw(folder: Path, mechanism: str, **options: Any) -> Population:
    design = SyntheticDesign(modalities=TWO, num_subjects=8000, rich_share=0.1)
    return write_cohort(folder, design, AbsenceDesign(mechanism, **options), SMALL).population  # type: ignore[arg-type]


def gap(value: np.ndarray, present: np.ndarray) -> float:
    return float(value[present].mean() - value[~present].mean())


def test_the_rich_have_everything_and_the_others_do_not(tmp_path: Path) -> None:
    people = draw(tmp_path, "mcar")
    assert people.presence[people.site == 0].all()
    assert people.presence[people.site > 0].mean(axis=0) == pytest.approx([0.712, 0.476], abs=0.02)


@pytest.mark.parametrize("mechanism", ["mcar", "mar", "mnar"])
def test_absence_depends_on_what_its_mechanism_says_and_on_nothing_else(tmp_path: Path, mechanism: str) -> None:
    people = draw(tmp_path, mechanism)
    labs, note = people.presence[people.drawn].T
    u = (people.state @ people.world.direction)[people.drawn]
    by_sex, by_age = gap(people.male[people.drawn], labs), gap(people.age[people.drawn], note)
    if mechanism == "mcar":
        assert max(abs(by_sex), abs(by_age), abs(gap(u, labs))) < 0.06
    else:
        assert by_sex > 0.1
        assert by_age > 0.3
        assert people.odds.std(axis=0) == pytest.approx([0.4, 0.8], abs=0.05)
    # Age is measured of z, so under MAR u differs a little, but not among people of one age and sex.
    alike = people.male[people.drawn] & (np.abs(people.age[people.drawn]) < 0.5)
    assert (gap(u[alike], labs[alike]) > 0.4) == (mechanism == "mnar")


def test_patterns_are_drawn_from_their_table(tmp_path: Path) -> None:
    people = draw(tmp_path, "pattern", patterns={"labs": 3, "demographics+note": 1, "(none)": 0})
    unique, counts = np.unique(people.presence[people.drawn], axis=0, return_counts=True)
    assert unique.tolist() == [[False, True], [True, False]]
    assert counts[1] / counts.sum() == pytest.approx(0.75, abs=0.02)


def test_sites_differ_by_the_shift_that_was_asked_for(tmp_path: Path) -> None:
    for shift in (0.0, 2.0):
        design = SyntheticDesign(modalities=TWO, num_subjects=4000, shift=shift)
        people = write_cohort(tmp_path, design, sizes=SMALL).population
        means = np.stack([people.state[people.site == site].mean(axis=0) for site in range(4)])
        assert np.abs(means - means.mean(axis=0)).max() > 1 if shift else np.abs(means).max() < 0.2


def test_a_further_modality_changes_no_other_file(tmp_path: Path) -> None:
    kept = ("subjects.csv", "labs.parquet", "note.parquet")
    found = []
    for more in ({}, {"scan": "image"}):
        design = SyntheticDesign(modalities={**TWO, **more}, num_subjects=100)  # type: ignore[dict-item]
        write_cohort(tmp_path, design, AbsenceDesign("mcar", availability=1), SMALL)
        found.append([(tmp_path / name).read_bytes() for name in kept])
    assert found[0] == found[1]


def test_the_same_seed_writes_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    found, loadings = [], []
    for seed in (1, 1, 2):
        truth = write_cohort(tmp_path, SyntheticDesign(num_subjects=80, seed=seed), sizes=SMALL)
        loadings.append(truth.population.world.instruments["labs"].loading)  # type: ignore[attr-defined]
        found.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert found[0] == found[1]
    assert all(found[0][name] != found[2][name] for name in found[0])
    assert np.abs(loadings[0] - loadings[2]).max() > 0.1
    with zipfile.ZipFile(tmp_path / "scan.npz") as archive:
        assert {part.date_time[0] for part in archive.infolist()} == {1980}, "the clock must not reach the bytes"


@pytest.mark.parametrize("mechanism", ["mcar", "mnar"])
@pytest.mark.parametrize("availability", [0.0, 0.5, 1.0])
def test_every_kind_is_read_as_it_was_drawn(tmp_path: Path, mechanism: str, availability: float) -> None:
    absence = AbsenceDesign(mechanism, availability=availability)  # type: ignore[arg-type]
    truth = write_cohort(tmp_path, SyntheticDesign(num_subjects=400, weights=True), absence, SMALL)
    people = read_cohort(load_spec(str(tmp_path / "cohort.yaml")), tmp_path)
    order = np.argsort(truth.subject_id)
    assert people.subject_id.tolist() == truth.subject_id[order].tolist()
    assert people.presence[:, 0].all()
    np.testing.assert_array_equal(people.presence[:, 1:], truth.population.presence[order])
    np.testing.assert_array_equal(people.label, truth.population.label[order])
    assert (
        people.role.tolist()
        == np.array(["rich", "sparse", "sparse", "held_out"])[truth.population.site[order]].tolist()
    )
    assert people.weight.mean() == pytest.approx(1)
    assert len(np.unique(people.weight)) == 4
    assert not people.notes


def test_sizes_are_those_that_were_asked_for(tmp_path: Path) -> None:
    write_cohort(tmp_path, SyntheticDesign(num_subjects=300), AbsenceDesign(gaps=0), SMALL)
    labs = pd.read_parquet(tmp_path / "labs.parquet")
    assert list(labs) == ["subject_id", "labs_1", "labs_2", "labs_3", "labs_assay", "labs_quality"]
    assert labs.notna().all(axis=None)
    vitals = pd.read_parquet(tmp_path / "vitals.parquet")
    assert sorted(vitals["variable"].unique()) == ["vitals_1", "vitals_2"]
    assert len(vitals) / vitals["subject_id"].nunique() == pytest.approx(2 * 3, rel=0.1)
    assert np.load(tmp_path / "omics.npz")["values"].shape[1:] == (12,)
    assert np.load(tmp_path / "scan.npz")["values"].shape[1:] == (8, 8)
    words = pd.read_parquet(tmp_path / "note.parquet")["text"].str.split()
    assert set(words.map(len)) == {4 + 3}
    assert words.map(lambda row: sum(word[-1].isdigit() for word in row)).eq(4).all()


def test_what_is_known_does_not_grow_with_the_width(tmp_path: Path) -> None:
    modalities: dict[str, Kind] = {"omics": "embedding", "scan": "image"}
    for width, side in ((64, 8), (4096, 64)):
        sizes = SizeDesign(embedding_width=width, image_size=side)
        truth = write_cohort(tmp_path, SyntheticDesign(modalities=modalities, num_subjects=20), sizes=sizes)
        for name in modalities:
            assert 5 < np.trace(truth.evidence[name].precision[0]) < 20


@pytest.mark.parametrize("prevalence", [0.1, 0.5])
def test_prevalence_is_about_what_was_asked_for(tmp_path: Path, prevalence: float) -> None:
    design = SyntheticDesign(modalities={"note": "text"}, num_subjects=20_000, shift=0, prevalence=prevalence)
    assert write_cohort(tmp_path, design, sizes=SMALL).population.label.mean() == pytest.approx(prevalence, abs=0.01)


def test_the_step_of_a_word_counts_as_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    note = TextInstrument.make("note", rng, [0], 1, 4)
    state, rows = rng.standard_normal((40_000, 1)), np.arange(40_000)
    ids = np.arange(40_000).astype(str)
    evidence = note.write(tmp_path, ids, rows, state, rng)
    texts = pd.read_parquet(tmp_path / "note.parquet")["text"]
    steps = np.stack([texts.str.extract(rf"\b{topic}(\d+)\b")[0].astype(int) for topic in note.topics], axis=1)
    residual = (steps - MIDDLE) * STEP - state @ note.loading.T
    assert evidence.precision[0, 0, 0] == pytest.approx((note.loading**2).sum() / residual.var(), rel=0.012)


def test_the_credit_variant_tells_of_customers(tmp_path: Path) -> None:
    write_cohort(tmp_path, SyntheticDesign("credit", num_subjects=400), sizes=SMALL)
    spec = load_spec(str(tmp_path / "cohort.yaml"))
    kinds = {name: modality.kind for name, modality in spec.modalities.items()}
    assert kinds == {"demographics": "tabular", "bureau": "tabular", "transactions": "events", "app": "events"}
    assert spec.label == "defaulted = 1"
    assert list(spec.sensitive_features) == ["sex", "age"]
    days = pd.read_parquet(tmp_path / "transactions.parquet")["day"]
    assert 48 < days.max() <= 90
    assert len(read_cohort(spec, tmp_path)) == 400


def test_a_wide_embedding_and_single_variables_that_are_absent(tmp_path: Path) -> None:
    modalities: dict[str, Kind] = {"omics": "embedding", "vitals": "events"}
    design = SyntheticDesign(modalities=modalities, num_subjects=400)
    truth = write_cohort(tmp_path, design, sizes=SizeDesign(embedding_width=10_000))
    stored = np.load(tmp_path / "omics.npz")
    assert stored["values"].shape == (truth.population.presence[:, 0].sum(), 10_000)
    assert stored["values"].dtype == np.float32
    vitals = pd.read_parquet(tmp_path / "vitals.parquet")
    assert vitals["subject_id"].nunique() == truth.population.presence[:, 1].sum()
    by_subject = vitals.groupby("subject_id")["variable"].nunique()
    assert 0.3 < (by_subject < 4).mean() < 0.7
    assert vitals["hour"].nunique() == len(vitals)


def test_a_modality_that_is_present_has_a_value_even_where_all_variables_could_be_absent(tmp_path: Path) -> None:
    design = SyntheticDesign(modalities={"vitals": "events"}, num_subjects=500)
    sizes = SizeDesign(num_variables=1, num_events=1)
    truth = write_cohort(tmp_path, design, AbsenceDesign(gaps=0.3), sizes)
    written = set(pd.read_parquet(tmp_path / "vitals.parquet")["subject_id"])
    assert written == set(truth.subject_id[truth.population.presence[:, 0]])


def test_all_problems_of_a_design_are_said_at_once(tmp_path: Path) -> None:
    design = SyntheticDesign(modalities={"Labs": "tabular", "x": "sound"}, num_subjects=3, rich_share=1)  # type: ignore[dict-item]
    absence = AbsenceDesign("mcar", availability=1.5, latent_effect=float("nan"), patterns={"labs": -1})
    with pytest.raises(InputError) as caught:
        write_cohort(tmp_path, design, absence, SizeDesign(num_words=0))
    assert caught.value.problems == [
        "design.num_subjects: must be at least 20 (value: 3)",
        "design.rich_share: must be between 0 and 1, both excluded (value: 1)",
        "design.modalities: `Labs` cannot be a name; take lower-case letters, digits and _, and none of demographics, "
        "subjects, truth, cohort",
        "design.modalities x: `sound` is none of tabular, events, embedding, image, text",
        "absence.availability: must be between 0 and 1 (value: 1.5)",
        "absence.latent_effect: must be finite (value: nan)",
        "absence.patterns: used by the mechanism `pattern` only, not by `mcar`",
        "absence.patterns `labs`: labs is none of the modalities Labs, x",
        "absence.patterns `labs`: must be at least 0 (value: -1)",
        "absence.patterns: at least one must occur; give it a number above 0",
        "sizes.num_words: must be at least 1 (value: 0)",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rich_share": 0.7, "held_out_share": 0.3}, "leave nobody sparse"),
        ({"signal": float("inf")}, r"design.signal: must be finite and at least 0 \(value: inf\)"),
    ],
)
def test_a_single_problem_is_said(tmp_path: Path, options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_cohort(tmp_path, SyntheticDesign(**options))  # type: ignore[arg-type]


def synthesize(*words: str | Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "scripts" / "synthesize.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_script_makes_a_folder_and_its_config_makes_the_same_again(tmp_path: Path) -> None:
    out, again = tmp_path / "made", tmp_path / "again"
    words = [
        "--design.num_subjects",
        "100",
        "--design.modalities",
        '{"labs": "tabular"}',
        "--absence.mechanism",
        "mnar",
    ]
    code, said = synthesize("--out", out, *words)
    assert code == 0, said
    assert f"--cohort {out}/cohort.yaml --data {out}" in said
    files = {path.name for path in out.iterdir()}
    assert files == {"cohort.yaml", "config.yaml", "labs.parquet", "subjects.csv", "truth.csv"}
    code, said = synthesize("--config", out / "config.yaml", "--out", again)
    assert code == 0, said
    for name in files:
        assert (out / name).read_bytes() == (again / name).read_bytes()


def test_the_script_refuses_in_one_sentence(tmp_path: Path) -> None:
    code, said = synthesize("--out", tmp_path)
    assert (code, said) == (
        2,
        f"error: {tmp_path}: already there, and would be overwritten; choose another place or remove it\n",
    )
    code, said = synthesize("--out", tmp_path / "x", "--absence.gaps", "2")
    assert (code, said) == (2, "error: absence.gaps: must be between 0 and 0.3 (value: 2.0)\n")
    assert not list(tmp_path.iterdir())


def test_options_are_imported_without_anything_heavy() -> None:
    code = "import sys, scripts.synthesize; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"numpy", "pandas", "scipy", "torch", "pydantic"}
