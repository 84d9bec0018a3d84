"""How fast subjects come out of memory and of files, and what the description of a cohort costs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cohorts.errors import raise_if
from scripts.benchmarks.outcome import this_machine, write_with_goals
from scripts.command_line import say

GOALS = (
    ("memory.rows_per_second", "at_least", 1_000_000),
    ("memory.times_slower_than_numpy", "at_most", 2),
    ("streaming.rows_per_second", "at_least", 250_000),
    ("streaming.peak_resident_megabytes", "at_most", 1000),
    ("events.seconds", "at_most", 10),
    ("checks.seconds", "at_most", 20),
)


def loading(
    out: Path,
    num_subjects: int = 200_000,
    num_columns: int = 300,
    num_events: int = 5_000_000,
    streamed_megabytes: int = 2000,
    batch_size: int = 64,
) -> None:
    """Measure how fast subjects come out of memory and of Parquet, and how long binning of events and checks take.

    Made-up numbers; each figure is the best of a few tries, but the checks, which run once.

    Args:
        out: JSON file to write.
        num_subjects: Subjects in memory.
        num_columns: Float32 inputs of a subject, over three modalities.
        num_events: Events that are binned: 37 variables over 48 hours, about 420 events a subject.
        streamed_megabytes: Size of the file that is streamed, in a process of its own, in 10^6 bytes.
        batch_size: Subjects in a batch.

    Example:
        python scripts/benchmark.py loading --out loading.json
    """
    sizes = {name: value for name, value in locals().items() if name != "out"}
    problems = [f"{name}: must be at least 1 (value: {value})" for name, value in sizes.items() if value < 1]
    if num_columns < 3:
        problems.append(f"num_columns: must be at least 3, one for each modality (value: {num_columns})")
    raise_if(problems)
    from scripts.benchmarks.batches import from_memory, from_parquet
    from scripts.benchmarks.cohorts import checks, events

    found: dict[str, Any] = {"benchmark": "loading", "machine": this_machine(), "sizes": sizes}
    say("memory: batches against indexing one NumPy array")
    found["memory"] = from_memory(num_subjects, num_columns, batch_size)
    say(f"streaming: {streamed_megabytes} MB of Parquet")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        found["streaming"] = from_parquet(Path(folder), streamed_megabytes, num_columns, batch_size)
    say(f"events: {num_events} values into bins")
    found["events"] = events(num_events)
    say(f"checks: fingerprint and checks of {num_subjects} x {num_columns}")
    found["checks"] = checks(num_subjects, num_columns)
    write_with_goals(out, found, GOALS)
