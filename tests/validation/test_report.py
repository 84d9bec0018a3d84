"""The report: all that a reviewer reads, in order, from the decision alone, safe against its own content."""

import base64
import copy
import hashlib
import json
import re
import time
from typing import Any

import pytest

from tests.validation.cases import make_decision, make_held_out, make_policy
from tests.validation.report_cases import EVERY_TABLE, HOSTILE, make_large, widened, with_everything
from validation.report import SECTIONS, render

LIMIT = 1_500_000


def small_women() -> dict[str, Any]:
    held_out = make_held_out(600)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:5, "sensitive.sex"] = "female"
    return make_decision(held_out, make_policy(), "ab" * 32)


@pytest.fixture(scope="module")
def few_women() -> dict[str, Any]:
    return small_women()


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    return make_large()


def test_there_are_sixteen_sections_in_the_order_of_reading(few_women: dict[str, Any]) -> None:
    html = render(few_women)
    headings = re.findall(r'<h2 id="(\w+)"><span class="faint">(\d+)</span> (.+)</h2>', html)
    assert headings == [(name, str(number), SECTIONS[name]) for number, name in enumerate(SECTIONS, start=2)]
    assert len(headings) == 15
    assert html.index("<header class=") < html.index("<nav") < html.index("<main>") < html.index("<h2")


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_a_table_that_is_not_there_is_said_to_be_and_one_that_is_there_is_shown(
    few_women: dict[str, Any], name: str
) -> None:
    without = render({**few_women, "tables": few_women["tables"] | {name: []}})
    whole = render({**few_women, "tables": few_women["tables"] | {name: EVERY_TABLE[name]}})
    assert whole.count("Not assessed:") == without.count("Not assessed:") - 1
    shown = str(next(iter(EVERY_TABLE[name][0].values())))
    assert re.search(f">{shown}</t[dh]>", whole)


@pytest.mark.parametrize("name", ["calibration", "decision_curve", "thresholds"])
def test_a_decision_without_curves_still_has_its_report(few_women: dict[str, Any], name: str) -> None:
    tables = {key: rows for key, rows in few_women["tables"].items() if key != name}
    without = render({**few_women, "tables": tables})
    assert without.count("Not assessed:") == render(few_women).count("Not assessed:") + 1


def test_looks_champion_harms_and_owners_are_shown(few_women: dict[str, Any]) -> None:
    html = render(with_everything(few_women))
    for said in (
        "This is look 3 of 5",
        "3 of 5</dd>",
        '0.740 <span class="faint">[0.700, 0.780]',
        "not recorded",
        "ef" * 32,
        "a missed case is found late",
        "clinical lead",
    ):
        assert said in html, said


def test_the_report_says_who_is_too_few_and_shows_no_figure_of_them(few_women: dict[str, Any]) -> None:
    html = render(few_women)
    assert "sex female: fewer than 11 subjects, which cannot support an audit" in html
    assert "&lt;11" in html
    assert "patient-" not in html


def test_every_verdict_is_said_in_words_and_by_a_symbol(few_women: dict[str, Any]) -> None:
    html = render(make_decision(make_held_out(2000, separation=0.0), make_policy(), "ab" * 32))
    assert "✖ FAIL" in html
    assert "This model is not promoted." in html
    decision = copy.deepcopy(few_women)
    for finding in decision["findings"]:
        if finding["check"] == 0:
            finding["verdict"] = "NOT APPLICABLE"
    assert '<span class="tag NOT-APPLICABLE">– NOT APPLICABLE</span>' in render(decision)


def test_groups_are_sorted_by_their_lower_bound_and_those_without_one_come_last(large: dict[str, Any]) -> None:
    html = render(large)
    forest = html[html.index('data-metric="sensitivity"') : html.index('data-metric="specificity"')]
    bounds = [float(bound) for bound in re.findall(r"\[(0\.\d\d|1\.00), ", forest)]
    assert len(bounds) == 10
    assert bounds == sorted(bounds)
    few = render(small_women())
    forest = few[few.index('data-metric="sensitivity"') : few.index('data-metric="specificity"')]
    assert forest.index("too few to say") > forest.rindex("[0.")


def test_floor_and_margin_are_drawn_where_the_policy_has_them(large: dict[str, Any]) -> None:
    html = render(large)
    drawn = {}
    for name, after in (("sensitivity", "specificity"), ("specificity", "ppv"), ("ppv", "selection_rate")):
        forest = html[html.index(f'data-metric="{name}"') : html.index(f'data-metric="{after}"')]
        drawn[name] = (forest.count('class="floor"'), forest.count('class="margin"'))
    assert drawn == {"sensitivity": (10, 10), "specificity": (10, 0), "ppv": (0, 0)}


def test_each_kind_of_check_is_explained_in_its_own_words(large: dict[str, Any]) -> None:
    html = render(large)
    assert html.count("When does it matter?") == len(large["policy"]["checks"])
    assert "No words were written for this kind of check" not in html


def test_the_json_twin_is_the_decision(few_women: dict[str, Any]) -> None:
    html = render(few_women)
    start = html.index('id="decision">') + len('id="decision">')
    assert json.loads(html[start : html.index("</script>", start)]) == few_women


def test_the_policy_of_the_page_names_its_only_script(few_women: dict[str, Any]) -> None:
    html = render(few_women)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html
    assert not re.search(r"""(src|href)=["'](?!#)""", html)


def test_names_with_markup_are_shown_and_not_run() -> None:
    html = render(make_large(2, 2, 600, names=HOSTILE + "{}"))
    assert "<script>document.title" not in html
    assert "&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;&amp;&#34;&#39;&lt;b&gt;www" in html


def test_the_same_decision_gives_the_same_bytes(few_women: dict[str, Any]) -> None:
    shuffled = dict(reversed(few_women.items()))
    assert render(few_women) == render(shuffled)


def test_ten_groups_and_six_modalities_fit_and_200_groups_are_still_readable(large: dict[str, Any]) -> None:
    assert len(render(with_everything(large)).encode()) < LIMIT / 4
    begun = time.process_time()
    html = render(widened(large, 200))
    assert time.process_time() - begun < 5
    assert len(html.encode()) < 2 * LIMIT
    assert html.count("region copy 190") > 10


def test_one_group_and_no_sensitive_feature_have_reports() -> None:
    held_out = make_held_out(600)
    held_out["sensitive.sex"] = "female"
    assert "sex male: declared, but there is nobody of it" in render(make_decision(held_out, make_policy(), "ab" * 32))
    nobody = make_large(0, 2, 600)
    assert "no sensitive feature is declared" in render(nobody)


def test_the_table_of_net_benefit_has_rows(few_women: dict[str, Any]) -> None:
    html = render(few_women)
    table = html[html.index("Treat nobody</th>") :].partition("</table>")[0]
    assert table.count("<tr>") == 12


def test_each_feature_has_one_table_of_mitigations_with_all_its_ways(few_women: dict[str, Any]) -> None:
    def row(feature: str, way: str) -> dict[str, Any]:
        figures = {"metric": "sensitivity", "value": 0.8, "lower": 0.7, "upper": 0.9, "support": 300}
        return {"mitigation": way, "feature": feature, "group": "some", **figures}

    tried = [row("age", "as it is"), row("sex", "as it is"), row("age", "reweighed")]
    html = render({**few_women, "tables": few_women["tables"] | {"mitigation": tried}})
    assert html.count("<caption>Rates by age</caption>") == 1
    table = html[html.index("<caption>Rates by age</caption>") :].partition("</table>")[0]
    assert "as it is" in table
    assert "reweighed" in table
