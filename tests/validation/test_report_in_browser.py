"""The report in a real browser: it asks for nothing, its switch and slider work, and everybody can read it."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.validation.report_cases import HOSTILE, make_large, with_everything
from validation.report import render

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = "axe-core@4.10.3"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
Opened = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine; install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from the registry, or from where an earlier run kept it."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rich2sparse" / f"{AXE}.tgz"
    if not kept.is_file():
        folder = tmp_path_factory.mktemp("axe")
        if shutil.which("npm") is None:
            pytest.skip("no npm on this machine, which fetches axe-core")
        packed = subprocess.run(
            ["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        if packed.returncode:
            pytest.skip(f"the npm registry cannot be reached: {packed.stderr.strip()[:200]}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / packed.stdout.strip(), kept)
    with tarfile.open(kept) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    return with_everything(make_large())


@pytest.fixture(scope="module")
def html(large: dict[str, Any]) -> str:
    return render(large)


@pytest.fixture
def opened(browser: "Browser", tmp_path: Path) -> Iterator[Opened]:
    """Opens a page; at the end, nothing was asked for but the file, and nothing was complained of."""
    pages: list[Page] = []
    asked: list[str] = []
    said: list[str] = []
    file = tmp_path / "report.html"

    def open_page(html: str, width: int = 1280, **options: Any) -> "Page":
        file.write_text(html)
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        pages.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert set(asked) <= {file.as_uri()}
    assert said == []


def test_verdict_and_worst_group_with_its_reason_are_on_the_first_screen(
    opened: Opened, html: str, large: dict[str, Any]
) -> None:
    page = opened(html)
    band = page.locator("header.band")
    said = band.inner_text()
    for part in (large["verdict"], "Worst group:", "under floor 0.70", "FAIL: ", "3 of 5", "not signed"):
        assert part in said, part
    box = band.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 800


def test_the_keyboard_reaches_the_reasons_the_switch_and_the_slider(opened: Opened, html: str) -> None:
    page = opened(html)
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.evaluate("link => link === document.activeElement && link.getBoundingClientRect().left >= 0")
    verdict = page.locator("header.band").inner_html()
    page.locator("input[value=sensitivity]").focus()
    assert page.locator(".forest.chosen").get_attribute("data-metric") == "sensitivity"
    page.keyboard.press("ArrowRight")
    assert page.locator(".forest:visible").count() == 1
    assert page.locator(".forest:visible").get_attribute("data-metric") == "specificity"
    assert page.locator("#rates caption").inner_text().startswith("Specificity at 0.300")
    assert page.locator("header.band").inner_html() == verdict


def test_the_slider_shows_rates_of_its_threshold_and_leaves_the_verdict(
    opened: Opened, html: str, large: dict[str, Any]
) -> None:
    page = opened(html)
    before = page.locator("header.band").inner_html(), page.locator("#decision").inner_html()
    row = next(r for r in large["tables"]["thresholds"] if r["metric"] == "sensitivity" and r["feature"] == "all")
    at = row["threshold"].index(0.3)
    first = page.locator("#rates tbody tr").first
    assert page.locator("#said").inner_text() == "0.300 (the operating point)"
    assert first.locator("td").last.inner_text() == "0.00"
    page.locator("#threshold").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    value, lower, upper = (row[name][at + 3] for name in ("value", "lower", "upper"))
    assert first.locator("td").first.inner_text() == f"{value:.2f} [{lower:.2f}, {upper:.2f}]"
    assert first.locator("td").last.inner_text() == f"{value - row['value'][at]:.2f}".replace("-", "−")
    assert page.locator("#said").inner_text() == f"{row['threshold'][at + 3]:.3f}"
    assert "exploratory: never changes the verdict" in page.locator(".explore").inner_text()
    assert (page.locator("header.band").inner_html(), page.locator("#decision").inner_html()) == before


def test_without_scripts_and_on_paper_every_metric_is_shown_and_no_control(opened: Opened, html: str) -> None:
    page = opened(html, java_script_enabled=False)
    assert page.locator(".forest:visible").count() == 4
    assert page.locator(".switch:visible, .explore:visible").count() == 0
    page = opened(html, width=720)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 720, "as wide as a sheet of A4"
    assert page.locator(".forest:visible").count() == 4
    assert page.locator(".switch:visible, .explore:visible, nav:visible").count() == 0
    assert page.locator("details td:visible").count() > 100, "what is folded is printed"


@pytest.mark.parametrize("name", ["region {}", HOSTILE + "{}"])
def test_names_are_inert_and_the_page_never_scrolls_sideways(opened: Opened, name: str) -> None:
    page = opened(render(make_large(2, 3, 600, names=name)), width=390)
    assert page.title() != "taken"
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    box = page.locator("header.band").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 800


def test_a_script_that_is_not_its_own_does_not_run(browser: "Browser", html: str, tmp_path: Path) -> None:
    file = tmp_path / "changed.html"
    file.write_text(html.replace("</body>", "<script>document.title = 'taken'</script></body>"))
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    title = page.title()
    page.close()
    assert title != "taken"
    assert any("Content Security Policy" in text for text in said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_against_levels_a_and_aa(opened: Opened, axe: str, scheme: str) -> None:
    page = opened(render(with_everything(make_large(2, 2, 600))), color_scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.evaluate(axe)
    found = page.evaluate(
        "levels => axe.run(document, {runOnly: {type: 'tag', values: levels}}).then(found => "
        "[found.passes.length, found.violations.map(each => `${each.id}: ${each.nodes[0].html}`)])",
        LEVELS,
    )
    assert found[0] > 15
    assert found[1] == []
