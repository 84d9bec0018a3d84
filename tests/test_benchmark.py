"""The benchmark as a command: what it writes, and what it refuses. What is fast enough, its own output says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def benchmark(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "benchmark.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_loading_writes_its_figures_and_nothing_else(tmp_path: Path) -> None:
    words = ["--num_subjects", "300", "--num_columns", "12", "--num_events", "3000", "--streamed_megabytes", "1"]
    done = benchmark("loading", "--out", tmp_path / "made" / "loading.json", *words)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["loading.json"]
    found = json.loads((tmp_path / "made" / "loading.json").read_text())
    assert set(found) == {"benchmark", "machine", "sizes", "memory", "streaming", "events", "checks", "goals"}
    assert set(found["machine"]) == {"cores", "system", "python", "torch", "numpy", "pyarrow", "pandas", "duckdb"}
    assert found["sizes"]["num_events"] == 3000
    assert found["streaming"]["resident_megabytes_before"] <= found["streaming"]["peak_resident_megabytes"]
    memory = found["memory"]
    ratio = memory["numpy_rows_per_second"] / memory["rows_per_second"]
    assert memory["times_slower_than_numpy"] == pytest.approx(ratio, abs=0.02)
    said = [line.split(":")[0] for line in done.stdout.splitlines()[-len(found["goals"]) :]]
    assert said == ["met" if goal["met"] else "MISSED" for goal in found["goals"]]
    for goal in found["goals"]:
        below = goal["value"] <= goal["limit"]
        assert goal["met"] == (below if goal["rule"] == "at most" else not below)


def test_the_committed_figures_meet_every_goal() -> None:
    text = (ROOT / "docs" / "benchmarks" / "loading.json").read_text()
    assert all(goal["met"] for goal in json.loads(text)["goals"])
    assert "/" not in text, "a path"


def test_help_names_what_can_be_measured() -> None:
    for words in ([], ["--help"]):
        done = benchmark(*words)
        assert done.returncode == 0
        assert "loading: batches from memory" in " ".join(done.stdout.split())
        assert "python scripts/benchmark.py loading --out" in " ".join(done.stdout.split())
    assert "--streamed_megabytes" in benchmark("loading", "--help").stdout


def test_what_cannot_be_measured_is_one_clear_error(tmp_path: Path) -> None:
    done = benchmark("speed")
    assert done.returncode == 2
    assert "invalid choice: 'speed'" in done.stderr
    done = benchmark("loading", "--out", tmp_path / "x.json", "--num_subjects", "0", "--num_columns", "2")
    assert done.returncode == 2
    assert "error: num_subjects: must be at least 1 (value: 0)" in done.stderr
    assert "error: num_columns: must be at least 3" in done.stderr
    assert list(tmp_path.iterdir()) == []
