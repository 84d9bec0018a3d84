"""Feature masking: whole features, of present modalities, never all that were measured."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cohorts.cohort import Cohort
from cohorts.modalities.events import Events, FittedEvents
from cohorts.modalities.tabular import FittedTabular, Tabular
from cohorts.preprocessing import Preprocessing, fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.splits import Split
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign
from cohorts.synthetic.tables import write_cohort
from lightning_modules.config import MaskingOptions
from lightning_modules.feature_masking import hide_features
from lightning_modules.masking import ModalityMasking, masking_for

KINDS = ["tabular", "events", "embedding", "image", "text"]
OF_INPUT = torch.tensor([0, 0, 1, 2, 2, 2, 1, 3])
G = 4


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def inputs(num_subjects: int = 20_000) -> torch.Tensor:
    """Inputs other than 0 of four features."""
    return 1 + torch.rand(num_subjects, len(OF_INPUT), generator=torch.Generator().manual_seed(1))


def shown_features(hidden: torch.Tensor) -> torch.Tensor:
    """Which features have inputs other than 0, bool (B, G)."""
    return torch.stack([hidden[:, torch.eq(OF_INPUT, feature)].ne(0).any(1) for feature in range(G)], dim=1)


@pytest.mark.parametrize("rate", [0.3, 0.9, 1.0])
def test_a_feature_is_hidden_with_all_its_inputs_and_what_is_shown_stays_as_it_is(rate: float) -> None:
    whole = inputs(4000)
    hidden = hide_features(whole, OF_INPUT, rate, generator())
    shown = shown_features(hidden)
    assert not shown.all()
    torch.testing.assert_close(hidden, torch.where(shown[:, OF_INPUT], whole, 0.0), atol=0, rtol=0)


def test_each_feature_is_hidden_with_the_rate_and_by_itself() -> None:
    shown = shown_features(hide_features(inputs(), OF_INPUT, 0.3, generator()))
    gone = (~shown).float()
    # Where all four would be hidden, each of them is kept as often as another.
    torch.testing.assert_close(gone.mean(0), torch.full((G,), 0.3 - 0.3**G / G), atol=0.015, rtol=0)
    together = (gone[:, 0] * gone[:, 1]).mean().item()
    assert together == pytest.approx(0.09, abs=0.015)


def test_one_measured_feature_is_always_left_each_as_often_as_another() -> None:
    whole = inputs()
    whole[:, OF_INPUT == 2] = 0
    shown = shown_features(hide_features(whole, OF_INPUT, 1.0, generator()))
    assert (shown.sum(1) == 1).all()
    torch.testing.assert_close(shown.float().mean(0), torch.tensor([1, 1, 0, 1]) / 3, atol=0.015, rtol=0)


def test_the_only_measured_feature_of_a_subject_is_never_hidden() -> None:
    whole = inputs()
    whole[:, OF_INPUT != 1] = 0
    assert torch.equal(hide_features(whole, OF_INPUT, 0.9, generator()), whole)


def test_what_is_absent_stays_0_and_changes_nothing_for_the_others() -> None:
    whole = inputs(1000)
    some = whole.clone()
    some[::3] = 0
    hidden = hide_features(some, OF_INPUT, 0.5, generator())
    assert not hidden[::3].any()
    assert torch.equal(hidden[1::3], hide_features(whole, OF_INPUT, 0.5, generator())[1::3])


def test_a_rate_of_0_hides_nothing_and_draws_no_random_number(people: Cohort, preprocessing: Preprocessing) -> None:
    masking = ModalityMasking(MaskingOptions(), people.presence, people.modalities)
    whole = {"labs": inputs(10)}
    used = generator()
    assert torch.equal(masking.of_features(whole, used)["labs"], whole["labs"])
    assert torch.equal(used.get_state(), generator().get_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_hides_the_features_that_the_cpu_hides() -> None:
    found = hide_features(inputs().cuda(), OF_INPUT, 0.5, generator())
    assert torch.equal(found.cpu(), hide_features(inputs(), OF_INPUT, 0.5, generator()))


def test_a_masking_hides_features_of_every_modality_at_the_rate_of_the_options(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    masking, _ = masking_for(MaskingOptions("none", feature_rate=0.4), people, split, preprocessing)
    whole = {name: torch.as_tensor(values).float() for name, values in preprocessing.transform(people).items()}
    found = masking.of_features(whole, generator())
    assert list(found) == list(whole)
    for name, feature_of_input in preprocessing.feature_of_input.items():
        changed = torch.stack(
            [
                (found[name] != whole[name])[:, feature_of_input == feature].any(1)
                for feature in range(max(feature_of_input) + 1)
            ]
        )
        present = torch.as_tensor(people.presence[:, people.modalities.index(name)])
        assert changed[:, present].any(1).all(), "every feature is hidden at times"
        assert changed[:, present].float().mean().item() < 0.45


@pytest.fixture(scope="module")
def five_kinds(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("five") / "cohort"
    design = SyntheticDesign(num_subjects=600, modalities={kind: kind for kind in KINDS})
    folder.mkdir()
    write_cohort(folder, design, AbsenceDesign(), SizeDesign(embedding_width=30, image_size=8))
    return read_cohort(load_spec(str(folder / "cohort.yaml")), folder)


def without_column(measurements: Tabular, column: str) -> Tabular:
    return Tabular(
        measurements.frame.assign(**{column: measurements.frame[column].where(np.zeros(len(measurements), dtype=bool))})
    )


def without_variable(measurements: Events, variable: int) -> Events:
    left = measurements.variable != variable
    lengths = np.bincount(measurements.subject[left], minlength=len(measurements))
    start = np.concatenate([[0], np.cumsum(lengths)])
    parts = (measurements.time[left], measurements.variable[left], measurements.value[left])
    return Events(start, *parts, measurements.variables)


def test_to_hide_a_column_is_to_have_it_absent(five_kinds: Cohort, people: Cohort, heart: Cohort) -> None:
    widest = 0
    for cohort in (five_kinds, people, heart):
        for name, fitted in fit_preprocessing(cohort).fitted.items():
            if not isinstance(fitted, FittedTabular):
                continue
            whole = fitted.transform(cohort.features[name])
            assert fitted.feature_of_input.shape == (fitted.num_inputs,)
            for number, column in enumerate(fitted.columns):
                absent = fitted.transform(without_column(cohort.features[name], column.name))  # type: ignore[arg-type]
                np.testing.assert_array_equal(absent, np.where(fitted.feature_of_input == number, 0, whole))
                widest = max(widest, int((fitted.feature_of_input == number).sum()))
    assert widest > 3, "some columns have several levels and an indicator"


def test_to_hide_a_variable_is_to_have_no_event_of_it(five_kinds: Cohort) -> None:
    measurements = five_kinds.features["events"]
    assert isinstance(measurements, Events)
    fitted = fit_preprocessing(five_kinds).fitted["events"]
    assert isinstance(fitted, FittedEvents)
    whole = fitted.transform(measurements)
    assert len(fitted.columns) > 1
    assert fitted.feature_of_input.shape == (fitted.num_inputs,)
    for number in range(len(fitted.columns)):
        absent = fitted.transform(without_variable(measurements, number))
        np.testing.assert_allclose(absent, np.where(fitted.feature_of_input == number, 0, whole), atol=1e-6)


@pytest.mark.parametrize("kind", ["embedding", "image", "text"])
def test_elsewhere_an_input_is_a_feature(five_kinds: Cohort, kind: str) -> None:
    fitted = fit_preprocessing(five_kinds).fitted[kind]
    assert fitted.feature_of_input.tolist() == list(range(fitted.num_inputs))


def test_a_bundle_s_preprocessing_knows_features_again(five_kinds: Cohort, tmp_path: Path) -> None:
    preprocessing = fit_preprocessing(five_kinds)
    again = Preprocessing.from_state(preprocessing.state()).feature_of_input
    for kind, feature_of_input in preprocessing.feature_of_input.items():
        np.testing.assert_array_equal(again[kind], feature_of_input)
