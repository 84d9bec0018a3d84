"""The report: all that a reviewer reads, offline, safe against its own content; looked at in a real browser."""

import json
import shutil
from pathlib import Path

import pytest

from tests.validation.cases import make_decision, make_held_out, make_policy
from validation.report import render

SECTIONS = [
    "Why",
    "Checks",
    "Who is in the data",
    "Who has which modality",
    "Overall performance",
    "Groups",
    "Provenance",
]


def small_women() -> dict:
    held_out = make_held_out(600)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:5, "sensitive.sex"] = "female"
    return make_decision(held_out, make_policy(), "ab" * 32)


def test_sections_come_in_the_order_of_reading() -> None:
    html = render(small_women())
    places = [html.index(f">{name}") for name in SECTIONS]
    assert places == sorted(places)


def test_the_report_says_who_is_too_few_and_shows_no_figure_of_them() -> None:
    html = render(small_women())
    assert "sex female: fewer than 11 subjects, which cannot support an audit" in html
    assert "&lt;11" in html
    assert "patient-" not in html


def test_every_verdict_is_said_in_words_and_by_a_symbol() -> None:
    html = render(make_decision(make_held_out(2000, separation=0.0), make_policy(), "ab" * 32))
    assert "✖ FAIL" in html
    assert "This model is not promoted." in html


def test_the_json_twin_is_the_decision() -> None:
    decision = small_women()
    html = render(decision)
    start = html.index('id="decision">') + len('id="decision">')
    assert json.loads(html[start : html.index("</script>", start)]) == decision


def test_names_with_markup_are_shown_and_not_run() -> None:
    held_out = make_held_out(600)
    evil = "</script><script>alert(1)</script>"
    held_out["sensitive.sex"] = held_out["sensitive.sex"].replace("female", evil)
    html = render(make_decision(held_out, make_policy(), "ab" * 32))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_same_decision_gives_the_same_bytes() -> None:
    decision = small_women()
    assert render(decision) == render(decision)


@pytest.fixture(scope="module")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine; install Debian's package chromium")
    return path


def test_a_browser_shows_it_without_asking_for_anything(chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(render(small_women()))
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*flags, "--disable-component-update", "--disable-sync"]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        band = page.locator("header.band")
        assert "INSUFFICIENT" in band.inner_text()
        box = band.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 800, "verdict and worst group are within the first screen"
        assert page.locator("svg").count() >= 3
        page.set_viewport_size({"width": 390, "height": 800})
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        browser.close()
    assert asked == [file.as_uri()]
    assert said == []
    assert overflow <= 0, "the page scrolls sideways on a narrow screen"
