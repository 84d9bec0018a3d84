"""The benchmarks of the judge as commands: what they write, what they refuse, and what the committed figures say."""

import json
from pathlib import Path

import pytest

from cohorts.errors import InputError
from scripts.benchmarks import regimes_of_risks
from scripts.benchmarks.audit import audit
from scripts.benchmarks.coverage import coverage

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"


def test_the_audits_benchmark_writes_both_sides_and_its_goals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit(tmp_path / "a.json", 400, 4, 100, 2, 6000, 3000)
    found = json.loads((tmp_path / "a.json").read_text())
    sides = found["against_fairlearn"]
    assert sides["largest_difference_of_values"] < 1e-12
    assert sides["times_less_cpu"] == pytest.approx(sides["fairlearn_seconds"] / sides["seconds"], rel=0.2)
    assert len(found["growth"]["seconds"]) == 4
    assert found["decision"]["verdict"] == "PASS"
    said = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[-len(found["goals"]) :]]
    assert said == ["met" if goal["met"] else "MISSED" for goal in found["goals"]]


def test_the_benchmark_of_coverage_counts_how_often_the_truth_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(regimes_of_risks, "NUM_TRUTH", 20_000)
    coverage(tmp_path / "c.json", 20, 20, 20)
    found = json.loads((tmp_path / "c.json").read_text())
    rows = {(row["interval"], row["regime"]): row for row in found["intervals"]}
    assert rows["wilson", "200 subjects, rate 0.85"]["coverage"] == pytest.approx(0.95, abs=0.01)
    for row in rows.values():
        # Draws of a bootstrap that is undefined count for neither side.
        missed = row["too_high"] + row["too_low"]
        assert row["coverage"] * (1 - row["undefined"]) + missed + row["undefined"] == pytest.approx(1, abs=1e-3)
        assert row["as_asked"] == (0.93 <= row["coverage"] <= 0.97)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 + sum(not row["as_asked"] for row in rows.values())


def test_sizes_that_say_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="num_groups: must be a multiple of 4"):
        audit(tmp_path / "a.json", num_groups=7)
    with pytest.raises(InputError, match=r"num_rows: must be at least 1600 \(value: 10\)"):
        audit(tmp_path / "a.json", num_rows=10)
    with pytest.raises(InputError, match=r"num_draws: must be at least 20 \(value: 1\)"):
        coverage(tmp_path / "c.json", num_draws=1)
    assert list(tmp_path.iterdir()) == []


def test_the_committed_figures_of_the_audit_meet_every_goal() -> None:
    text = (DOCS / "audit.json").read_text()
    assert all(goal["met"] for goal in json.loads(text)["goals"])
    assert "/" not in text.replace("observed / expected", ""), "a path"


def test_the_committed_coverage_says_which_intervals_fall_short() -> None:
    rows = json.loads((DOCS / "coverage.json").read_text())["intervals"]
    assert all(row["as_asked"] == (0.93 <= row["coverage"] <= 0.97) for row in rows)
    assert {row["interval"] for row in rows} >= {"wilson", "newcombe", "tango", "delong", "observed / expected"}
