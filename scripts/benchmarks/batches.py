"""Batches of made-up subjects: from memory, beside plain NumPy, and from a large Parquet file."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import numpy as np

from cohorts.batches import FEATURES, BatchLoader, MemorySource
from cohorts.streaming import rows_in_a_group, write_rows

NUM_TIMES = 5


def best_of(function: Callable[[], object], num_times: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(num_times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def columns(values: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Columns as a source wants them: the values as three modalities, with presence, label and weight."""
    num_rows, num_columns = values.shape
    cuts = [0, num_columns // 6 or 1, num_columns // 2, num_columns]
    parts = {f"{FEATURES}modality_{i + 1}": np.ascontiguousarray(values[:, cuts[i] : cuts[i + 1]]) for i in range(3)}
    return {
        **parts,
        "presence": rng.random((num_rows, 3)) < 0.7,
        "label": np.less(rng.random(num_rows), 0.3).astype(np.float32),
        "weight": np.ones(num_rows, dtype=np.float32),
    }


def from_memory(num_rows: int, num_columns: int, batch_size: int) -> dict[str, float]:
    """One epoch through the loader, and the same rows out of one NumPy array, in turns."""
    import torch

    rng = np.random.default_rng(0)
    values = rng.standard_normal((num_rows, num_columns), dtype=np.float32)
    loader = BatchLoader(MemorySource(columns(values, rng), 0, batch_size), batch_size)
    order = np.random.default_rng([0, 0]).permutation(num_rows)
    rows = [order[start : start + batch_size] for start in range(0, num_rows, batch_size)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in training, by default
    ours, numpy = [], []
    for _ in range(NUM_TIMES):
        ours.append(best_of(lambda: [None for _ in loader], 1))
        numpy.append(best_of(lambda: [len(values[index]) for index in rows], 1))
    torch.set_num_threads(threads)
    return {
        "rows_per_second": round(num_rows / min(ours)),
        "numpy_rows_per_second": round(num_rows / min(numpy)),
        "times_slower_than_numpy": round(min(ours) / min(numpy), 2),
    }


def from_parquet(folder: Path, megabytes: int, num_columns: int, batch_size: int) -> dict[str, float]:
    """Write a file of this size, and stream it in a process of its own."""
    rng = np.random.default_rng(0)
    one = columns(np.zeros((1, num_columns), dtype=np.float32), rng)
    size = rows_in_a_group(one)
    num_groups = max(1, round(megabytes * 1e6 / (size * sum(values.nbytes for values in one.values()))))
    group = columns(rng.standard_normal((size, num_columns), dtype=np.float32), rng)
    path = folder / "rows.parquet"
    writing = best_of(lambda: write_rows(path, repeat(group, num_groups), num_groups, ""), 1)
    command = [sys.executable, "-m", "scripts.benchmarks.streamed", str(path), str(batch_size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        "file_megabytes": round(path.stat().st_size / 1e6),
        "rows_written_per_second": round(num_groups * size / writing),
        **json.loads(done.stdout),
    }
