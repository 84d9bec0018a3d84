"""Concerns: what was planted in a cohort is found, and what is sound raises none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cohorts.cohort import Cohort
from cohorts.concerns import Concern, concerns_about
from cohorts.leaks import from_absence, people_alike, single_feature_aurocs, summaries
from cohorts.linkage import rows_apart
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.tabular import Tabular
from cohorts.modalities.text import Texts
from cohorts.shift import standardised_differences, tells_apart, unit_jumps


def with_columns(cohort: Cohort, modality: str, **columns: np.ndarray) -> Cohort:
    frame = cohort.features[modality].frame.assign(**columns)
    return replace(cohort, features={**cohort.features, modality: Tabular(frame)})


def kinds(cohort: Cohort) -> set[str]:
    return {concern.kind for concern in concerns_about(cohort)}


def found(cohort: Cohort, kind: str) -> list[Concern]:
    return [concern for concern in concerns_about(cohort) if concern.kind == kind]


def test_a_sound_cohort_has_no_error_and_no_planted_concern(people: Cohort) -> None:
    assert not [c for c in concerns_about(people) if c.severity == "error"]
    planted = {"unit jump", "rows that do not belong together", "repeated rows", "same people in two cohorts"}
    assert not kinds(people) & planted


def test_the_label_among_the_features_is_an_error(people: Cohort) -> None:
    leaking = with_columns(people, "ecg", ecg_1=people.label * 3 + 1)
    [concern] = found(leaking, "label among the features")
    assert concern.severity == "error"
    assert "ecg.ecg_1 alone has an AUROC of 1.000" in concern.sentence
    assert concerns_about(leaking)[0] == concern  # errors come first


def test_a_feature_that_predicts_too_well_is_named_with_its_auroc(people: Cohort) -> None:
    noise = np.random.default_rng(0).standard_normal(len(people))
    [concern] = found(
        with_columns(people, "ecg", ecg_2=people.label * 4 + noise), "feature predicts the label too well"
    )
    assert concern.severity == "warning"
    assert "ecg.ecg_2" in concern.sentence


def test_held_out_labels_are_not_looked_at(people: Cohort) -> None:
    held_out = people.role == "held_out"
    column = np.where(held_out, people.label, np.random.default_rng(1).standard_normal(len(people)))
    assert not found(with_columns(people, "ecg", ecg_1=column), "label among the features")


def test_single_feature_aurocs_are_those_of_scikit_learn(people: Cohort) -> None:
    table = single_feature_aurocs(people).set_index("feature")
    values = people.features["labs"].frame["labs_1"].to_numpy()
    known = ~np.isnan(values)
    expected = roc_auc_score(people.label[known], values[known])
    assert table.loc["labs_1", "value"] == pytest.approx(max(expected, 1 - expected))
    assert table["value"].is_monotonic_decreasing


def test_a_label_that_absence_tells_is_found_with_its_interval(people: Cohort) -> None:
    imaging = people.features["imaging"].frame.copy()
    imaging[(people.role == "sparse") & (people.label == 0)] = np.nan
    telling = replace(people, features={**people.features, "imaging": Tabular(imaging)})
    row = from_absence(telling).set_index(["role", "target"]).loc[("sparse", "label")]
    assert row["lower"] > 0.65
    assert row["lower"] < row["value"] < row["upper"]
    assert "label from absence" in kinds(telling)
    assert "label from absence" not in kinds(people)


def test_a_group_that_absence_tells_is_found(people: Cohort) -> None:
    ecg = people.features["ecg"].frame.copy()
    ecg[(people.role == "sparse") & (people.sensitive["sex"] == "male").to_numpy()] = np.nan
    telling = replace(people, features={**people.features, "ecg": Tabular(ecg)})
    [concern] = [c for c in found(telling, "sensitive feature from absence") if "sex" in c.sentence]
    assert concern.sentence.startswith("sparse cohort: which modalities are present tells sex: ")


def test_people_with_the_values_of_others_are_counted(people: Cohort) -> None:
    rich, sparse = np.flatnonzero(people.role == "rich")[:20], np.flatnonzero(people.role == "sparse")[:20]
    source = np.arange(len(people))
    source[sparse] = rich
    features = {name: measurements.take(source) for name, measurements in people.features.items()}
    doubled = replace(people, features=features)
    assert people_alike(doubled) == (40, 0)
    assert people_alike(people) == (0, 0)
    source[sparse] = np.arange(len(people))[sparse]
    source[rich[:15]] = rich[15]
    doubled = replace(people, features={name: m.take(source) for name, m in people.features.items()})
    assert people_alike(doubled) == (0, 15)


@pytest.mark.parametrize(
    ("factor", "meaning"), [(38.67, "cholesterol"), (1 / 38.67, "cholesterol"), (2.2046, "pounds")]
)
def test_a_change_of_unit_is_found_with_its_factor_and_meaning(people: Cohort, factor: float, meaning: str) -> None:
    values = np.exp(0.15 * np.nan_to_num(people.features["imaging"].frame["imaging_1"].to_numpy()) + 5)
    values = np.where(people.role == "sparse", values * factor, values)
    changed = with_columns(people, "imaging", imaging_1=values)
    jumps = unit_jumps(summaries(changed), changed.role)
    sparse = jumps[jumps["part"] == "sparse"].iloc[0]
    assert sparse["factor"] == pytest.approx(factor, rel=0.15)
    assert meaning in sparse["meaning"]
    assert len(unit_jumps(summaries(people), people.role)) == 0


def test_a_shift_that_is_no_change_of_unit_is_none(people: Cohort) -> None:
    rng = np.random.default_rng(3)
    values = np.where(people.role == "sparse", rng.uniform(100, 101, len(people)), rng.lognormal(3, 0.5, len(people)))
    assert len(unit_jumps(summaries(with_columns(people, "imaging", imaging_1=values)), people.role)) == 0


def test_a_join_that_is_shifted_from_some_row_on_is_found(people: Cohort) -> None:
    """The values of imaging slip by one person in the second half of the subject table of one site."""
    assert len(rows_apart(people)) == 0
    rows = np.flatnonzero(people.site == "north")
    rows = rows[np.argsort(people.row[rows])]
    source = np.arange(len(people))
    source[rows[200:-1]] = rows[201:]
    shifted = replace(people, features={**people.features, "imaging": people.features["imaging"].take(source)})
    table = rows_apart(shifted)
    assert set(table["part"]) == {"north"}
    assert "imaging" in set(table["modality_a"]) | set(table["modality_b"])
    assert not {"ecg", "labs"} <= set(table["modality_a"]) | set(table["modality_b"]) - {"imaging"} or len(table) > 1
    assert all("imaging" in pair for pair in zip(table["modality_a"], table["modality_b"], strict=True))
    [*sentences] = [c.sentence for c in found(shifted, "rows that do not belong together")]
    assert all("north" in sentence for sentence in sentences)
    assert sentences


def test_columns_that_a_cohort_lacks_are_named(people: Cohort) -> None:
    labs = people.features["labs"].frame.copy()
    labs.loc[people.role == "sparse", "labs_3"] = np.nan
    lacking = replace(people, features={**people.features, "labs": Tabular(labs)})
    [concern] = found(lacking, "column wholly absent")
    assert concern.sentence.startswith("modality labs: labs_3 is wholly absent in the sparse cohort")


def test_an_identifier_among_the_categories_is_found(people: Cohort) -> None:
    odd = with_columns(people, "demographics", sex=np.array([f"code {n}" for n in range(len(people))], dtype=object))
    [concern] = found(odd, "too many categories")
    assert "demographics.sex has" in concern.sentence


def test_small_groups_are_named_with_the_number_needed_and_without_their_own(people: Cohort) -> None:
    sensitive = people.sensitive.assign(sex="male")
    sensitive.loc[np.flatnonzero((people.role == "held_out") & (people.label == 1))[:3], "sex"] = "female"
    [concern] = [c for c in found(replace(people, sensitive=sensitive), "group too small") if "female" in c.sentence]
    assert "fewer than 11 positives" in concern.sentence
    assert "about 85 are needed" in concern.sentence
    assert concern.num is None


def test_standardised_differences_follow_their_definition(people: Cohort) -> None:
    table = standardised_differences(people).set_index("feature")
    frame = people.features["imaging"].frame
    a, b = (frame.loc[people.role == role, "imaging_4"].dropna() for role in ("rich", "sparse"))
    expected = (b.mean() - a.mean()) / np.sqrt((a.var() + b.var()) / 2)
    assert table.loc["imaging_4", "difference"] == pytest.approx(expected)


def test_a_classifier_tells_shifted_cohorts_apart_and_equal_ones_not(people: Cohort) -> None:
    shifted = people.features["demographics"].frame["age"] + 30 * (people.role == "sparse")
    found = tells_apart(with_columns(people, "demographics", age=shifted))
    assert found["values"][1] > 0.9
    assert tells_apart(people)["values"][1] < 0.55
    assert found["presence"][0] > 0.8  # the rich have everything
    everybody = replace(people, role=np.where(np.arange(len(people)) % 2, "rich", "sparse").astype(object))
    assert tells_apart(everybody)["presence"][1] < 0.55


def test_no_sentence_holds_an_id(people: Cohort) -> None:
    text = " ".join(concern.sentence for concern in concerns_about(people))
    assert not any(f" {subject}" in text for subject in people.subject_id)


def test_the_heart_cohort_shows_its_known_faults(heart: Cohort) -> None:
    """VA holds six women, smoke is not recorded at Cleveland, and which tests were made tells the diagnosis."""
    text = pd.Series([c.sentence for c in concerns_about(heart)])
    assert text.str.contains("sex female: fewer than 11 positives").any()
    assert text.str.contains("history: smoke is wholly absent in the rich cohort").any()
    assert text.str.contains("sparse cohort: which modalities are present tells the label").any()


def test_a_cohort_in_which_everybody_has_everything_raises_no_concern_about_absence(people: Cohort) -> None:
    complete = people.take(people.presence.all(axis=1))
    complete = replace(complete, role=np.where(np.arange(len(complete)) % 2, "rich", "sparse").astype(object))
    assert "label from absence" not in kinds(complete)


def test_a_table_that_is_sorted_by_a_feature_is_no_shifted_join(people: Cohort) -> None:
    """Within a stretch of people of one age, age goes with nothing; that is restriction of range."""
    age = people.features["demographics"].frame["age"].to_numpy()
    tied = with_columns(people, "labs", labs_1=age + np.random.default_rng(0).standard_normal(len(people)) * 5)
    tied = with_columns(tied, "labs", labs_2=-age + np.random.default_rng(1).standard_normal(len(people)) * 5)
    assert len(rows_apart(replace(tied, row=np.argsort(np.argsort(age))))) == 0


def test_a_unit_of_half_the_sites_is_found(people: Cohort) -> None:
    chol = np.random.default_rng(0).lognormal(5.3, 0.2, len(people))
    site = np.array(["a", "b", "c", "d"], dtype=object)[np.arange(len(people)) % 4]
    changed = with_columns(people, "imaging", imaging_1=np.where(np.isin(site, ["b", "d"]), chol / 38.67, chol))
    jumps = [c for c in found(replace(changed, site=site), "unit jump") if "imaging_1" in c.sentence]
    assert len(jumps) == 2
    assert all("cholesterol in mg/dL against mmol/L" in c.sentence for c in jumps)


def test_a_unit_of_a_whole_cohort_or_of_later_times_is_found_though_sites_agree(people: Cohort) -> None:
    pressure = np.random.default_rng(0).normal(120, 12, len(people))
    site = np.array(["a", "b"], dtype=object)[np.arange(len(people)) % 2]
    kpa = with_columns(people, "imaging", imaging_1=np.where(people.role == "sparse", pressure / 7.501, pressure))
    [concern] = [c for c in found(replace(kpa, site=site), "unit jump") if "imaging_1" in c.sentence]
    assert "values of cohort sparse" in concern.sentence
    assert "kPa" in concern.sentence
    time = np.random.default_rng(1).permutation(len(people)).astype(float)
    late = with_columns(people, "imaging", imaging_1=np.where(time > np.median(time), pressure / 7.501, pressure))
    [concern] = [c for c in found(replace(late, site=site, time=time), "unit jump") if "imaging_1" in c.sentence]
    assert "later half" in concern.sentence


def test_fahrenheit_is_told_from_a_factor(people: Cohort) -> None:
    celsius = np.random.default_rng(0).normal(37, 0.6, len(people))
    warm = with_columns(people, "imaging", imaging_1=np.where(people.role == "sparse", celsius * 1.8 + 32, celsius))
    concerns = [c for c in found(warm, "unit jump") if "imaging_1" in c.sentence]
    assert concerns
    assert all("Fahrenheit" in c.sentence for c in concerns)


def test_a_value_in_the_middle_that_means_positive_is_found(people: Cohort) -> None:
    code = np.where(people.label == 1, 2.0, np.where(np.arange(len(people)) % 2, 1.0, 3.0))
    assert found(with_columns(people, "ecg", ecg_1=code), "label among the features")


def test_a_column_that_only_positives_have_is_found(people: Cohort) -> None:
    column = np.where(people.label == 1, 5.0 + np.arange(len(people)) % 3, np.nan)
    [concern] = found(with_columns(people, "ecg", ecg_1=column), "label among the features")
    assert "ecg_1 (whether measured)" in concern.sentence


def test_a_number_far_back_in_a_wide_embedding_is_found(people: Cohort) -> None:
    values = np.random.default_rng(0).standard_normal((len(people), 3000)).astype(np.float32)
    sound = replace(people, features={**people.features, "imaging": Embedding(values)})
    assert not found(sound, "label among the features")
    values[:, 2345] = people.label * 9 + values[:, 2345] / 9
    [concern] = found(sound, "label among the features")
    assert "imaging.[2345]" in concern.sentence


def test_a_text_that_says_the_label_is_found(people: Cohort) -> None:
    words = np.array(["pain since monday", "cough and fever", "no complaint today"], dtype=object)
    texts = words[np.arange(len(people)) % 3]
    sound = replace(people, features={**people.features, "imaging": Texts(texts)})
    assert not [c for c in concerns_about(sound) if "imaging.words" in c.sentence]
    said = texts + np.where(people.label == 1, ", infarction confirmed", ", infarction excluded").astype(object)
    telling = replace(people, features={**people.features, "imaging": Texts(said)})
    assert "imaging.words" in concerns_about(telling)[0].sentence
