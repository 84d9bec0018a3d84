"""What a description says, what it must not say, and what its three axes suggest."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.description.content import describe
from cohorts.description.features import differences, features
from cohorts.description.page import _gap as gap
from cohorts.description.page import _whose as whose
from cohorts.description.page import render
from cohorts.description.recommendation import RULES, Axes, axes_of, dynamics_of, sizes_of, suggest
from cohorts.description.tables import OTHERS, availability, patterns, people, share
from cohorts.disclosure import COUNTS
from cohorts.files import canonical_json
from cohorts.modalities.events import Events
from cohorts.modalities.tabular import Tabular
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, load_spec
from cohorts.splits import Split
from cohorts.statistics import wilson
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign
from cohorts.synthetic.tables import write_cohort

Make = Callable[..., Cohort]


@pytest.fixture(scope="module")
def delicate(cohort_of_900: Cohort) -> Cohort:
    """Handfuls in the sparse cohort: 6 women, 4 who have the ecg, 5 without an age, 3 positives at a site."""
    sparse = np.flatnonzero(cohort_of_900.role == "sparse")
    sensitive, label = cohort_of_900.sensitive.copy(), cohort_of_900.label.copy()
    sensitive.loc[sparse, "sex"] = "male"
    sensitive.loc[sparse[:6], "sex"] = "female"
    at_site = sparse[cohort_of_900.site[sparse] == "south"]
    label[at_site], label[at_site[:3]] = 0.0, 1.0
    ecg, demographics = (cohort_of_900.features[name].frame.copy() for name in ("ecg", "demographics"))  # type: ignore[attr-defined]
    ecg.loc[sparse, :] = np.nan
    ecg.loc[sparse[10:14], :] = 1.0
    demographics.loc[sparse[:5], "age"] = np.nan
    demographics.loc[sparse, "sex"] = "M"
    demographics.loc[sparse[:6], "sex"] = "F"
    changed = {**cohort_of_900.features, "ecg": Tabular(ecg), "demographics": Tabular(demographics)}
    return replace(cohort_of_900, sensitive=sensitive, label=label, features=changed)


@pytest.fixture(scope="module")
def cohort_of_900(tables: Path, spec: CohortSpec) -> Cohort:
    return read_cohort(spec, tables)


@pytest.fixture(scope="module")
def description(delicate: Cohort) -> dict[str, Any]:
    return describe(delicate)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Cohorts of 400 with these modalities, availability and width of an embedding."""

    def made(modalities: dict[str, str], available: float, width: int = 6) -> Cohort:
        folder = tmp_path_factory.mktemp("axes")
        design = SyntheticDesign(modalities=modalities, num_subjects=400)  # type: ignore[arg-type]
        write_cohort(folder, design, AbsenceDesign("mcar", available, spread=0.0), SizeDesign(embedding_width=width))
        return read_cohort(load_spec(str(folder / "cohort.yaml")), folder)

    return made


def suggested(cohort: Cohort) -> str:
    return suggest(axes_of(cohort, sizes_of(cohort), dynamics_of(cohort)))[1].strategy


def walk(value: Any) -> Any:
    """Every map within plain data."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from walk(item)


def highest(hidden: str | int, total: int, others: list[str | int]) -> int:
    """Highest count that a hidden one may have for somebody who knows the total of its family."""
    assert hidden == "<11"
    least = sum(1 if str(other).startswith("<") else int(str(other).removeprefix("≥")) for other in others)
    return min(10, total - least)


def test_no_count_from_1_to_10_is_anywhere(description: dict[str, Any]) -> None:
    rows = [row for row in walk(description) if any(name in row for name in COUNTS)]
    assert len(rows) > 100
    for row in rows:
        assert not [name for name in COUNTS if isinstance(row.get(name), int) and 0 < row[name] < 11], row


def test_people_of_a_small_group_cannot_be_had_by_subtraction(delicate: Cohort) -> None:
    rows = [row for row in people(delicate) if row["role"] == "sparse"]
    total = next(row for row in rows if row["feature"] == "everybody")
    for feature, count in (("sex", "num_subjects"), ("site", "num_positives")):
        family = [row for row in rows if row["feature"] == feature]
        hidden = next(row for row in family if row[count] == "<11")
        assert hidden["value"] is None
        assert isinstance(max(family, key=lambda row: int(str(row["num_subjects"]).strip("≥<–") or 0))[count], str)
        assert highest(hidden[count], total[count], [row[count] for row in family if row is not hidden]) == 10


def test_who_has_a_modality_cannot_be_had_by_subtraction(delicate: Cohort) -> None:
    rows = [row for row in availability(delicate) if row["role"] == "sparse" and row["modality"] == "ecg"]
    total = next(row for row in rows if row["feature"] == "everybody")
    size = int((delicate.role == "sparse").sum())
    assert (total["num_present"], total["value"]) == ("<11", None)
    assert highest(total["num_present"], size, [total["num_absent"]]) == 10
    for row in rows:
        assert row["num_present"] in ("<11", 0, "–")
        assert row["value"] is None or row["num_present"] == 0


def test_rare_patterns_are_joined_and_cannot_be_had_by_subtraction(delicate: Cohort) -> None:
    rows = [row for row in patterns(delicate) if row["role"] == "sparse"]
    names = pd.Series(delicate.pattern[delicate.role == "sparse"]).value_counts()
    assert any(names < 11)
    assert not set(names.index[names < 11]) & {row["pattern"] for row in rows if row["num_subjects"] != "<11"} - {
        OTHERS
    }
    assert rows[-1]["pattern"] == OTHERS
    assert not [row for row in rows if isinstance(row["num_subjects"], int) and row["num_subjects"] > 0]


def test_a_handful_among_the_joined_patterns_makes_all_counts_limits(people: Cohort) -> None:
    """Availability less the shown patterns would tell that 3 of the joined people have the ecg."""
    frames = {name: people.features[name].frame.copy() for name in people.modalities[1:]}  # type: ignore[attr-defined]
    sparse = np.flatnonzero(people.role == "sparse")
    for name, frame in frames.items():
        frame.loc[:, :] = 1.0
        frame.loc[sparse, :] = np.nan
        frame.loc[sparse[40:] if name == "labs" else sparse[:0], :] = 1.0
    for rows, names in ((sparse[:9], ["imaging"]), (sparse[9:17], ["wearable"]), (sparse[17:20], ["ecg", "wearable"])):
        for name in names:
            frames[name].loc[rows, :] = 1.0
    features_ = {**people.features, **{name: Tabular(frame) for name, frame in frames.items()}}
    shown = [row for row in patterns(replace(people, features=features_)) if row["role"] == "sparse"]
    joined = next(row for row in shown if row["pattern"] == OTHERS)
    assert joined["num_subjects"] == "≥10"
    assert not [row for row in shown if isinstance(row["num_subjects"], int) and row["num_subjects"] > 0]


def test_gaps_and_means_of_a_handful_are_not_shown(delicate: Cohort) -> None:
    age = next(row for row in features(delicate) if row["feature"] == "age")
    assert age["gaps"]["sparse"]["num_absent"] == "<11"
    assert age["gaps"]["sparse"]["value"] is None
    assert age["gaps"]["rich"]["value"] is not None
    sex = [row for row in differences(delicate) if row["feature"].startswith("sex = ")]
    assert len(sex) == 2
    assert {row[name] for row in sex for name in ("mean_a", "mean_b", "difference")} == {None}


def test_a_handful_of_one_group_who_have_a_modality_makes_the_other_groups_limits(people: Cohort) -> None:
    sparse = np.flatnonzero(people.role == "sparse")
    women, men = (sparse[people.sensitive["sex"].to_numpy()[sparse] == group] for group in ("female", "male"))
    ecg = people.features["ecg"].frame.copy()  # type: ignore[attr-defined]
    ecg.loc[sparse, :] = np.nan
    ecg.loc[[*women[:4], *men[:30]], :] = 1.0
    rows = availability(replace(people, features={**people.features, "ecg": Tabular(ecg)}))
    rows = [row for row in rows if row["role"] == "sparse" and row["modality"] == "ecg"]
    shown = {row["group"]: row for row in rows if row["feature"] in ("everybody", "sex")}
    assert shown["everybody"]["num_present"] == 34
    assert (shown["female"]["num_present"], shown["female"]["value"]) == ("<11", None)
    assert (shown["male"]["num_present"], shown["male"]["approximate"]) == ("≥20", True)


def test_gaps_do_not_tell_how_many_lack_the_modality(people: Cohort) -> None:
    """Seven of the rich lack labs: their number, known here, would be 193 of 200."""
    rich = np.flatnonzero(people.role == "rich")
    told = set()
    for number in (1, 7, 10):
        labs = people.features["labs"].frame.copy()  # type: ignore[attr-defined]
        labs.loc[rich, :] = 1.0
        labs.loc[rich[:number], :] = np.nan
        labs.loc[rich[-5:], "labs_1"] = np.nan
        labs.loc[rich[-40:], "labs_2"] = np.nan
        rows = features(replace(people, features={**people.features, "labs": Tabular(labs)}))
        told.add(canonical_json({row["feature"]: row["gaps"]["rich"] for row in rows if row["modality"] == "labs"}))
    assert len(told) == 1
    gaps = json.loads(told.pop())
    limit = f"≥{(len(rich) - 10) // 10 * 10}"
    assert (gaps["labs_3"]["num_subjects"], gaps["labs_3"]["num_absent"]) == (limit, 0)
    assert (gaps["labs_1"]["num_absent"], gaps["labs_1"]["value"]) == ("<11", None)
    assert gaps["labs_2"]["num_absent"] == 40


def test_a_mean_does_not_tell_how_many_have_the_rarer_of_two_codes(people: Cohort) -> None:
    """A mean of 1.015 of 200 people with codes 1 and 2 is three people with a 2."""
    rich = np.flatnonzero(people.role == "rich")
    labs = people.features["labs"].frame.copy()  # type: ignore[attr-defined]
    draw = np.random.default_rng(0)
    for name in ("labs_1", "labs_2", "labs_3"):
        labs[name] = draw.choice([1.0, 2.0], len(labs))
    labs.loc[rich, "labs_1"], labs.loc[rich, "labs_3"] = 1.0, 1.0
    labs.loc[rich[:3], "labs_1"] = 2.0
    labs.loc[rich[:3], "labs_3"] = [4.0, 5.0, 6.0]
    found = differences(replace(people, features={**people.features, "labs": Tabular(labs)}))
    rows = {row["feature"]: row for row in found}
    for name in ("labs_1", "labs_3"):
        assert {rows[name][figure] for figure in ("mean_a", "mean_b", "difference")} == {None}
    assert rows["labs_2"]["mean_a"] == pytest.approx(1.5, abs=0.2)


def test_a_mean_does_not_tell_by_its_denominator_how_many_lack_a_feature(people: Cohort) -> None:
    """0.03133 is 13 of 415, so 2 of 417 lack it."""
    rich = np.flatnonzero(people.role == "rich")
    told = set()
    for number in (1, 5, 9):
        labs = people.features["labs"].frame.copy()  # type: ignore[attr-defined]
        labs.loc[:, :] = 1.0
        labs["labs_1"] = (np.arange(len(labs)) % 3 == 0).astype(float)
        labs.loc[rich[: 3 * number], "labs_1"] = 1.0
        labs.loc[rich[:number], :] = np.nan
        found = differences(replace(people, features={**people.features, "labs": Tabular(labs)}))
        told |= {row["mean_a"] for row in found if row["feature"] == "labs_1" and row["approximate"]}
    assert told
    assert all(mean == round(mean, 2) for mean in told)


def test_two_codes_of_which_few_lack_one_are_shown_by_no_mean(people: Cohort) -> None:
    """Both codes are common among the rich; of the sparse all but seven have one."""
    labs = people.features["labs"].frame.copy()  # type: ignore[attr-defined]
    labs["labs_1"] = np.where(np.arange(len(labs)) % 2, 1.0, 2.0)
    sparse = np.flatnonzero(people.role == "sparse")
    labs.loc[sparse, "labs_1"] = 2.0
    labs.loc[sparse[:7], "labs_1"] = 1.0
    found = differences(replace(people, features={**people.features, "labs": Tabular(labs)}))
    row = next(row for row in found if row["feature"] == "labs_1")
    assert (row["mean_b"], row["difference"]) == (None, None)


def test_two_patterns_of_which_one_is_rare_are_the_same_whatever_the_hidden_count_is(people: Cohort) -> None:
    sparse = np.flatnonzero(people.role == "sparse")
    told = set()
    for number in range(1, 11):
        frames = {name: people.features[name].frame.copy() for name in people.modalities[1:]}  # type: ignore[attr-defined]
        for frame in frames.values():
            frame.loc[:, :] = 1.0
        rich = np.flatnonzero(people.role == "rich")
        frames["ecg"].loc[[*sparse[:number], *rich[:50]], :] = np.nan
        rows = patterns(replace(people, features={**people.features, **{n: Tabular(f) for n, f in frames.items()}}))
        told.add(canonical_json([row for row in rows if row["role"] == "sparse"]))
    assert len(told) == 1


def test_cells_of_which_nothing_may_be_told_are_dashes_on_the_page() -> None:
    nothing = {"value": None, "num_subjects": 40, "num_present": "–", "num_absent": "–"}
    assert [whose(nothing), gap(nothing)] == ["–", "–"]
    nearly = {"value": None, "num_subjects": 40, "num_present": "≥30", "num_absent": "<11"}
    assert [whose(nearly), gap(nearly)] == ["nearly all", "few"]


def test_a_level_too_rare_to_be_a_feature_does_not_follow_from_the_others(people: Cohort) -> None:
    demographics = people.features["demographics"].frame.copy()  # type: ignore[attr-defined]
    demographics.loc[np.flatnonzero(people.role == "sparse")[:6], "sex"] = "X"
    found = differences(replace(people, features={**people.features, "demographics": Tabular(demographics)}))
    sex = [row for row in found if row["feature"].startswith("sex = ")]
    assert len(sex) == 2
    assert any(row["approximate"] for row in sex)


def test_levels_are_shown_where_all_are_common(cohort_of_900: Cohort) -> None:
    rows = {row["feature"]: row for row in differences(cohort_of_900)}
    women = cohort_of_900.features["demographics"].frame["sex"] == "F"  # type: ignore[attr-defined]
    expected = float(women[cohort_of_900.role == "sparse"].mean())
    assert rows["sex = F"]["mean_b"] == pytest.approx(expected, abs=1e-3)
    assert rows["sex = F"]["sensitive"]
    assert rows["age"]["sensitive"]
    assert not rows["labs_1"]["sensitive"]
    sizes = [abs(row["difference"] or 0) for row in rows.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_shares_are_wilsons_where_counts_are_exact_and_follow_from_limits_elsewhere() -> None:
    lower, upper = wilson(30, 120, 0.025)
    assert share(30, 90) == {"value": 0.25, "lower": round(lower, 3), "upper": round(upper, 3), "approximate": False}
    assert share("≥180", "<11")["value"] is None
    assert share("≥100", "≥100")["value"] == 0.5
    assert share("≥100", 113)["approximate"]
    assert share(0, 0)["value"] is None


def test_figures_of_the_page_hold_no_more_than_the_tables(delicate: Cohort, description: dict[str, Any]) -> None:
    """The sparse men are all but 6, whose number must not be on the page in any form."""
    men = int(((delicate.role == "sparse") & (delicate.sensitive["sex"] == "male")).sum())
    texts = re.findall(r"[≥<]?\d+", " ".join(_Texts.of(render(description))))
    assert str(men) not in texts
    assert not re.search(rf"\b{men}\b", canonical_json(description["people"]))


class _Texts(HTMLParser):
    """Texts of a page, without styles and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @classmethod
    def of(cls, html: str) -> list[str]:
        parser = cls()
        parser.feed(html)
        return parser.texts

    def handle_data(self, data: str) -> None:
        if self.lasttag not in ("script", "style"):
            self.texts.append(data)


def test_the_json_twin_is_what_the_page_embeds(description: dict[str, Any]) -> None:
    html = render(description)
    start = html.index('id="description">') + len('id="description">')
    assert json.loads(html[start : html.index("</script>", start)]) == json.loads(canonical_json(description))
    assert render(description) == html


def test_no_subject_is_named(delicate: Cohort, description: dict[str, Any]) -> None:
    shown = canonical_json(description) + " ".join(_Texts.of(render(description)))
    assert not [name for name in delicate.subject_id if str(name) in shown]


def test_names_with_markup_are_shown_and_not_run(people: Cohort) -> None:
    evil = "</script><script>alert(1)</script>"
    site = np.where(people.site == "south", evil, people.site).astype(object)
    html = render(describe(replace(people, site=site)))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_cohort_without_sites_and_groups_is_described(people: Cohort) -> None:
    spec = people.spec.model_copy(update={"sensitive_features": {}, "site": None})
    found = describe(replace(people, spec=spec, sensitive=people.sensitive[[]]))
    assert {row["feature"] for row in found["people"]} == {"everybody"}
    assert "<h2" in render(found)


def test_every_kind_of_modality_is_described(make: Make) -> None:
    kinds = {"labs": "tabular", "vitals": "events", "omics": "embedding", "scan": "image", "note": "text"}
    found = describe(make(kinds, 0.7, 64))
    rows = {row["modality"]: row for row in found["modalities"]}
    assert {name: rows[name]["kind"] for name in kinds} == kinds
    assert rows["omics"]["num_columns"] == 64
    assert rows["vitals"]["num_moments"] > 1
    assert rows["labs"]["num_moments"] is None
    assert len(render(found)) < 1_500_000


def test_presence_at_deployment_changes_the_suggestion(make: Make) -> None:
    kinds = {"labs": "tabular", "ecg": "tabular"}
    complete, sparse = make(kinds, 1.0), make(kinds, 0.6)
    assert (suggested(complete), suggested(sparse)) == ("early", "late")
    followed = {"vitals": "events", "ward": "events", "note": "events", "bed": "events"}
    assert suggested(make(followed, 0.8)) == "attention"
    assert suggested(make(followed, 0.1)) == "late"


def test_balance_of_dimensions_changes_the_suggestion(make: Make) -> None:
    kinds = {"labs": "tabular", "omics": "embedding"}
    assert suggested(make(kinds, 1.0, 10)) == "early"
    assert suggested(make(kinds, 1.0, 500)) == "intermediate"


def test_temporal_dynamics_change_the_suggestion(make: Make) -> None:
    assert suggested(make({"labs": "tabular", "vitals": "tabular"}, 0.6)) == "late"
    assert suggested(make({"labs": "tabular", "vitals": "events"}, 0.6)) == "attention"


@pytest.mark.parametrize("number", range(len(RULES)))
def test_every_rule_can_be_the_first_that_holds(number: int) -> None:
    axes = [
        Axes(complete=0.1, mean_availability=0.4, ratio=99, moving=1),
        Axes(complete=1, mean_availability=1, ratio=99, moving=0.2),
        Axes(complete=0.94, mean_availability=0.9, ratio=99, moving=0.1),
        Axes(complete=1, mean_availability=1, ratio=10.1, moving=0),
        Axes(complete=0.95, mean_availability=0.99, ratio=10, moving=0.19),
    ]
    assert suggest(axes[number])[0] == number


def test_the_page_says_why_from_where_and_that_it_is_a_start(description: dict[str, Any]) -> None:
    strategy = description["strategy"]
    assert [rule["strategy"] for rule in strategy["rules"] if rule["applied"]] == [strategy["suggestion"]]
    html = render(description)
    for words in ("2204.05454", "Databricks", "no strategy is best everywhere", strategy["why"][:40]):
        assert words in html


def test_irregularity_is_0_for_a_clock_and_about_1_for_chance(people: Cohort) -> None:
    draw = np.random.default_rng(0)
    size, each = len(people), 60

    def moving(time: np.ndarray) -> float:
        values = np.ones(size * each)
        events = Events(np.arange(size + 1) * each, time.ravel(), values.astype(np.int16) - 1, values, ("hr",))
        found = dynamics_of(replace(people, features={**people.features, "ecg": events}))
        assert [row["num_moments"] for row in found] == [each]
        return float(found[0]["irregularity"])

    assert moving(np.tile(np.arange(each, dtype=float), (size, 1))) == 0
    assert moving(np.sort(draw.uniform(0, 48, (size, each)), axis=1)) == pytest.approx(1, abs=0.1)


def test_effective_rank_counts_directions(people: Cohort, split: Split) -> None:
    """Six columns that are one number six times have one direction; independent ones nearly six."""
    draw = np.random.default_rng(0)
    names = [f"labs_{number}" for number in range(1, 7)]
    same = np.tile(draw.normal(size=(len(people), 1)), (1, 6))
    for values, low, high in ((same, 1.0, 1.01), (draw.normal(size=(len(people), 6)), 5.9, 6.0)):
        labs = Tabular(pd.DataFrame(values, columns=names))
        rows = sizes_of(replace(people, features={**people.features, "labs": labs}))
        rank = next(row["effective_rank"] for row in rows if row["modality"] == "labs")
        assert low <= rank <= high


@pytest.fixture(scope="module")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine; install Debian's package chromium")
    return path


def test_a_browser_shows_it_wide_and_narrow_without_asking_for_anything(
    chromium: str, description: dict[str, Any], tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "description.html"
    file.write_text(render(description))
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*flags, "--disable-component-update", "--disable-sync"]
        )
        page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme="dark")
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert page.locator("svg").count() == 4
        band = page.locator("header.band").inner_text()
        ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        wide = "each.scrollWidth > each.clientWidth && each.tabIndex < 0"
        unreachable = page.evaluate(f"[...document.querySelectorAll('.scroll')].filter(each => {wide}).length")
        browser.close()
    assert asked == [file.as_uri()]
    assert said == []
    assert overflow <= 0, "the page scrolls sideways on a narrow screen"
    assert "warning" in band
    assert "Start with" in band
    assert (ink, paper) == ("rgb(230, 233, 237)", "rgb(20, 24, 29)")
    assert unreachable == 0
