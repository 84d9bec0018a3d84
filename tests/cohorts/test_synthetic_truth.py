"""The Bayes score is the Bayes score, for every kind of modality, every mechanism of absence and every pattern."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cohorts.errors import InputError
from cohorts.synthetic import arrays, events, tabular, text
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign
from cohorts.synthetic.population import Truth, bayes_scores
from cohorts.synthetic.posterior import expected_risk_given_presence
from cohorts.synthetic.tables import write_cohort
from cohorts.synthetic.variants import VARIANTS
from cohorts.synthetic.world import AGE_NOISE, MALE

NUM_DRAWS = 200_000
CHECKED = 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Few subjects with all five kinds, under MNAR, with a latent state of two parts that brute force can cover."""
    folder = tmp_path_factory.mktemp("small")
    design = SyntheticDesign(num_subjects=60, num_latent=2, rich_share=0.2, shift=0.5, signal=2)
    sizes = SizeDesign(num_columns=3, num_variables=2, num_events=2, embedding_width=9, image_size=8, num_words=3)
    return folder, write_cohort(folder, design, AbsenceDesign("mnar", gaps=0.2, latent_effect=2), sizes)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Many subjects under MNAR."""
    design = SyntheticDesign(modalities={"labs": "tabular", "note": "text"}, num_subjects=40_000, rich_share=0.1)
    return write_cohort(tmp_path_factory.mktemp("many"), design, AbsenceDesign("mnar", availability=0.5))


def log_likelihoods(folder: Path, truth: Truth, person: int, z: np.ndarray) -> dict[str, np.ndarray]:
    """How likely each modality's values, as they stand in the files, are at each z; only of the modalities present."""
    world, subject, found = truth.population.world, truth.subject_id[person], {}

    def table(name: str) -> pd.DataFrame:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        return frame[frame["subject_id"] == subject]

    labs = world.instruments["labs"]
    assert isinstance(labs, tabular.TabularInstrument)
    for _, row in table("labs").iterrows():
        x = row[["labs_1", "labs_2", "labs_3"]].to_numpy(dtype=float)
        x[0] = np.log(x[0])
        noise = 0.6 * {"poor": 1.6, "fair": 1.0, "good": 0.7}[row["labs_quality"]]
        density = norm.logpdf(x - labs.offset["ABC".index(row["labs_assay"])], z @ labs.loading.T, noise)
        found["labs"] = np.nansum(density, axis=1)
    vitals = world.instruments["vitals"]
    assert isinstance(vitals, events.EventsInstrument)
    for _, row in table("vitals").iterrows():
        v, share = int(row["variable"][-1]) - 1, row["hour"] / 48
        mean = z @ vitals.level[v] + share * (z @ vitals.trend[v] + vitals.drift[v])
        density = norm.logpdf(row["value"], vitals.centre[v] + vitals.scale[v] * mean, events.NOISE * vitals.scale[v])
        found["vitals"] = found.get("vitals", 0) + density
    for name in ("omics", "scan"):
        instrument, stored = world.instruments[name], np.load(folder / f"{name}.npz")
        assert isinstance(instrument, arrays.ArrayInstrument)
        for values in stored["values"][stored["subject_id"] == subject]:
            found[name] = norm.logpdf(values.ravel(), z @ instrument.loading.T, instrument.noise).sum(axis=1)
    note = world.instruments["note"]
    assert isinstance(note, text.TextInstrument)
    for words in table("note")["text"].str.split():
        steps = [int(word.removeprefix(topic)) for topic in note.topics for word in words if word.startswith(topic)]
        edges = [(np.array(steps) - text.MIDDLE + side) * text.STEP for side in (-0.5, 0.5)]
        low, high = (norm.cdf(edge, z @ note.loading.T, text.NOISE) for edge in edges)
        found["note"] = np.log(np.maximum(high - low, 1e-300)).sum(axis=1)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [[], ["labs", "scan"], ["vitals", "omics", "note"]])
def test_scores_agree_with_brute_force_over_the_latent_state_from_the_files_alone(
    small: tuple[Path, Truth], hidden: list[str]
) -> None:
    folder, truth = small
    people, world = truth.population, truth.population.world
    subjects = pd.read_csv(folder / "subjects.csv", dtype={"subject_id": str}).set_index("subject_id")
    rng = np.random.default_rng(0)
    known = np.array([name not in hidden for name in people.modalities])
    found = bayes_scores(truth, ~known)
    for person in rng.choice(60, CHECKED, replace=False):
        row = subjects.loc[truth.subject_id[person]]
        age = (row["age"] - 58) / 7
        z = world.site_means[("north", "east", "south", "west").index(row["site"])]
        z = z + rng.standard_normal((NUM_DRAWS, 2))
        by_modality = log_likelihoods(folder, truth, person, z)
        log_weight = norm.logpdf(age, z @ world.age_loading[0], AGE_NOISE)
        for number, name in enumerate(people.modalities):
            if name in hidden:
                continue
            log_weight = log_weight + by_modality.get(name, 0)
            if row["site"] != "north":
                absence = world.absence
                sex = absence.sex[number] * (0.5 if row["sex"] == "M" else -0.5)
                chance = expit(absence.odds[number] + sex + absence.age[number] * age + 2 * (z @ world.direction))
                log_weight = log_weight + np.log(chance if name in by_modality else 1 - chance)
        weight = np.exp(log_weight - log_weight.max())
        risk = expit(z @ world.slope + MALE * (row["sex"] == "M") + world.intercept)
        assert found[person] == pytest.approx(weight @ risk / weight.sum(), abs=0.01)


def test_scores_are_calibrated_whatever_is_hidden(many: Truth) -> None:
    label = many.population.label
    for hidden in ([False, False], [True, False], [True, True]):
        score = bayes_scores(many, np.array(hidden))
        everyone, drawn, without_note = (
            np.ones(len(label), bool),
            many.population.drawn,
            ~many.population.presence[:, 1],
        )
        for part in (everyone, drawn) if hidden[1] else (everyone, drawn, without_note):
            frame = pd.DataFrame({"score": score[part], "label": label[part]})
            by_bin = frame.groupby(pd.qcut(frame["score"], 10), observed=True).mean()
            np.testing.assert_allclose(by_bin["label"], by_bin["score"], atol=0.035)


def test_what_is_hidden_costs_log_loss(many: Truth) -> None:
    hidden = ([False, False], [True, False], [True, True])
    losses = [log_loss(many.population.label, bayes_scores(many, np.array(those))) for those in hidden]
    assert losses[0] + 0.01 < losses[1] < losses[2] - 0.01


def test_under_mnar_whoever_ignores_the_pattern_loses(many: Truth) -> None:
    drawn, label = many.population.drawn, many.population.label
    found, ignorant = bayes_scores(many), bayes_scores(many, from_pattern=False)
    assert log_loss(label[drawn], found[drawn]) + 0.005 < log_loss(label[drawn], ignorant[drawn])
    nothing = drawn & ~many.population.presence.any(axis=1)
    assert abs(found[nothing].mean() - label[nothing].mean()) < 0.02
    assert ignorant[nothing].mean() - label[nothing].mean() > 0.05
    np.testing.assert_array_equal(found[~drawn], ignorant[~drawn])


@pytest.mark.parametrize("mechanism", ["mcar", "mar", "pattern"])
def test_where_absence_is_ignorable_the_pattern_adds_nothing(tmp_path: Path, mechanism: str) -> None:
    truth = write_cohort(tmp_path, SyntheticDesign(num_subjects=300), AbsenceDesign(mechanism))  # type: ignore[arg-type]
    np.testing.assert_array_equal(bayes_scores(truth), bayes_scores(truth, from_pattern=False))


def test_a_regression_on_complete_data_does_not_beat_the_truth_but_comes_near(tmp_path: Path) -> None:
    design = SyntheticDesign(modalities={"labs": "tabular", "omics": "embedding"}, num_subjects=8000, shift=0)
    truth = write_cohort(tmp_path, design, AbsenceDesign("mcar", availability=1), SizeDesign(embedding_width=20))
    labs = pd.read_parquet(tmp_path / "labs.parquet").set_index("subject_id").loc[truth.subject_id]
    labs[["labs_1", "labs_2", "labs_3"]] = np.log(labs[["labs_1", "labs_2", "labs_3"]])
    codes = pd.get_dummies(labs[["labs_assay", "labs_quality"]]).to_numpy(dtype=float)
    numbers = labs.filter(regex=r"labs_\d")
    stored = np.load(tmp_path / "omics.npz")
    omics = pd.DataFrame(stored["values"], stored["subject_id"]).loc[truth.subject_id]
    people = truth.population
    shown = [numbers.fillna(numbers.mean()), numbers.isna(), codes, omics, people.age[:, None], people.male[:, None]]
    inputs = np.concatenate([np.asarray(part, dtype=float) for part in shown], axis=1)
    train = np.random.default_rng(0).random(len(inputs)) < 0.6
    model = LogisticRegression(C=0.3, max_iter=2000).fit(inputs[train], people.label[train])
    label, score = people.label[~train], bayes_scores(truth)[~train]
    regret = log_loss(label, model.predict_proba(inputs[~train])[:, 1]) - log_loss(label, score)
    assert 0 < regret < 0.05


def test_truth_csv_holds_the_scores_and_no_spec_names_it(small: tuple[Path, Truth]) -> None:
    folder, truth = small
    written = pd.read_csv(folder / "truth.csv", dtype={"subject_id": str})
    assert written["subject_id"].tolist() == truth.subject_id.tolist()
    np.testing.assert_allclose(written["bayes_score"], bayes_scores(truth), rtol=1e-12)
    assert "truth" not in (folder / "cohort.yaml").read_text().replace("truth.csv holds the Bayes scores", "").replace(
        VARIANTS["clinical"].title, ""
    )


def test_a_presence_that_was_next_to_impossible_still_has_a_score() -> None:
    odds, there = np.array([[-1000.0]]), np.array([[True]])
    score = expected_risk_given_presence(np.zeros((1, 2)), np.eye(2)[None], odds, np.array([1.0]), there, there)
    assert score == pytest.approx(0.5)


def test_a_mask_of_another_shape_is_refused(small: tuple[Path, Truth]) -> None:
    with pytest.raises(InputError, match=r"hidden: must have the shape \(60, 5\) or \(5,\), subjects by labs, vitals"):
        bayes_scores(small[1], np.array([True, False]))
