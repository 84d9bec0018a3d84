"""Options of masking: what contradicts itself, or names what no cohort has, is refused before anything is written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from re import escape
from typing import Any

import numpy as np
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from lightning_modules.config import MaskingOptions, check_options
from scripts.compare_fusions import compare_fusions
from scripts.finetune import finetune
from scripts.pretrain import pretrain
from scripts.workflow import workflow


def only_problem(options: MaskingOptions) -> str:
    (problem,) = options.problems()
    return problem


@pytest.mark.parametrize("policy", ["none", "rate", "random_rate", "empirical"])
def test_defaults_are_no_problem_under_any_policy_that_needs_no_table(policy: Any) -> None:
    check_options(MaskingOptions(policy=policy))
    check_options(MaskingOptions(policy=policy, feature_rate=1.0))


@pytest.mark.parametrize(
    "options",
    [
        MaskingOptions("rate", rate=0.5, rates={"ecg": 0.0, "labs": 1.0}),
        MaskingOptions("random_rate", most_rate=1.0, curriculum=1.0),
        MaskingOptions("empirical", given=("sex", "site"), share=0.5),
        MaskingOptions("table", patterns={"clinical+ecg": 0.5, "ecg": 3}),
    ],
)
def test_what_belongs_to_the_policy_is_no_problem(options: MaskingOptions) -> None:
    check_options(options)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("rate", "rate"),
        ("most_rate", "random_rate"),
        ("share", "rate"),
        ("alone_share", "rate"),
        ("curriculum", "rate"),
        ("feature_rate", "rate"),
    ],
)
def test_shares_and_rates_lie_between_0_and_1(name: str, policy: Any, value: float) -> None:
    options = replace(MaskingOptions(policy=policy), **{name: value})
    with pytest.raises(InputError, match=rf"^masking\.{name}: must be between 0 and 1 \(value: {value}\)$"):
        check_options(options)


def test_the_rate_of_a_modality_lies_between_0_and_1_too() -> None:
    problem = only_problem(MaskingOptions("rate", rates={"ecg": 1.5, "labs": 0.5}))
    assert problem == "masking.rates.ecg: must be between 0 and 1 (value: 1.5)"


@pytest.mark.parametrize("patterns", [None, {}])
def test_a_table_needs_a_pattern(patterns: dict[str, float] | None) -> None:
    with pytest.raises(InputError, match=r"^masking\.patterns: the policy table needs at least one pattern"):
        check_options(MaskingOptions("table", patterns=patterns))


@pytest.mark.parametrize("pattern", ["", " ", "ecg+", "ecg++labs"])
def test_a_pattern_names_a_modality_on_either_side_of_a_plus(pattern: str) -> None:
    with pytest.raises(InputError, match=escape(f"masking.patterns: `{pattern}` lacks a name; join one or more")):
        check_options(MaskingOptions("table", patterns={"labs": 1, pattern: 1}))


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf")])
def test_a_pattern_weighs_more_than_0(weight: float) -> None:
    match = escape(f"masking.patterns: the weight of `ecg` must be above 0 (value: {weight}); drop the pattern")
    with pytest.raises(InputError, match=match):
        check_options(MaskingOptions("table", patterns={"ecg": weight}))


def test_a_pattern_is_stated_once_whatever_its_order() -> None:
    with pytest.raises(InputError, match=r"`ecg\+labs` is there in another order too; add up the weights"):
        check_options(MaskingOptions("table", patterns={"labs+ecg": 1, "ecg+labs": 2, "labs": 1}))


@pytest.mark.parametrize(
    ("name", "value", "own", "policy"),
    [
        ("rate", 0.2, "rate", "empirical"),
        ("rates", {"ecg": 0.2}, "rate", "random_rate"),
        ("most_rate", 0.5, "random_rate", "rate"),
        ("patterns", {"ecg": 1}, "table", "rate"),
        ("given", ("sex",), "empirical", "none"),
    ],
)
def test_an_option_of_another_policy_is_to_be_dropped(name: str, value: Any, own: str, policy: Any) -> None:
    problem = only_problem(replace(MaskingOptions(policy=policy), **{name: value}))
    assert problem == (
        f"masking.{name}: belongs to the policy {own} (value of masking.policy: {policy}); drop masking.{name}"
    )


@pytest.mark.parametrize("name", ["share", "alone_share", "curriculum"])
def test_how_much_is_hidden_says_nothing_where_nothing_is(name: str) -> None:
    problem = only_problem(replace(MaskingOptions("none"), **{name: 0.5}))
    assert problem == (
        f"masking.{name}: the policy none hides no modality; drop masking.{name}, or take another policy"
    )


def test_all_problems_of_options_are_told_at_once() -> None:
    options = MaskingOptions("table", rate=2.0, share=-1.0, patterns={"": 0}, given=("sex",))
    with pytest.raises(InputError) as caught:
        check_options(options)
    assert len(caught.value.problems) == 6


def test_names_that_the_cohort_has_are_no_problem(people: Cohort) -> None:
    MaskingOptions().check(people)
    MaskingOptions("rate", rates={"ecg": 0.1}).check(people)
    MaskingOptions("table", patterns={"ecg + labs": 1}).check(people)
    MaskingOptions(given=("sex", "age", "site")).check(people)


def test_every_name_that_the_cohort_lacks_is_told_at_once(people: Cohort) -> None:
    options = MaskingOptions(
        rates={"egc": 0.1, "ecg": 0.1}, patterns={"egc+labs": 1, "eeg": 1, "eeg+labs": 1}, given=("gender", "sex")
    )
    with pytest.raises(InputError) as caught:
        options.check(people)
    has = "it has demographics, labs, ecg, imaging, wearable"
    assert caught.value.problems == [
        f"masking.rates: the cohort has no `egc`; {has}",
        f"masking.patterns: the cohort has no `eeg`; {has}",
        f"masking.patterns: the cohort has no `egc`; {has}",
        "masking.given: the cohort has no `gender`; it has sex, age, site",
    ]


def test_a_cohort_without_sites_gives_nothing_by_site(people: Cohort) -> None:
    alike = replace(people, site=np.full(len(people), "", dtype=object))
    with pytest.raises(InputError, match=r"masking\.given: the cohort has no `site`; it has sex, age$"):
        MaskingOptions(given=("site",)).check(alike)


@pytest.mark.parametrize("script", [pretrain, finetune, workflow, compare_fusions])
def test_a_script_refuses_names_before_it_writes_anything(
    script: Callable[..., Any], tables: Path, tmp_path: Path
) -> None:
    options = MaskingOptions("table", patterns={"labs+nothing": 1})
    with pytest.raises(InputError, match=r"masking\.patterns: the cohort has no `nothing`"):
        script(cohort="synthetic", data=tables, out=tmp_path / "out", masking=options)
    assert not (tmp_path / "out").exists()
