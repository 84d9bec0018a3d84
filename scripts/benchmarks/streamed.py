"""The process that streams a file: what it needs at most is measured from outside its caller's memory."""

import resource
import sys
import time
from pathlib import Path

import torch

from cohorts.batches import BatchLoader
from cohorts.files import canonical_json
from cohorts.streaming import ParquetSource
from scripts.benchmarks.batches import NUM_TIMES
from scripts.command_line import say


def peak_megabytes() -> float:
    """Most resident memory of this process so far, in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # which, unlike getrusage, does not count the process that this one was forked from
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    """Stream some epochs of a file, and say speed and peak."""
    path, batch_size = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    before = peak_megabytes()
    loader = BatchLoader(ParquetSource(path, 0), batch_size)
    seconds = []
    for epoch in range(NUM_TIMES):
        loader.sampler.set_epoch(epoch)
        start = time.perf_counter()
        num_rows = sum(len(batch["label"]) for batch in loader)
        seconds.append(time.perf_counter() - start)
    figures = {
        "rows_per_second": round(num_rows / min(seconds)),
        "peak_resident_megabytes": round(peak_megabytes()),
        "resident_megabytes_before": round(before),
    }
    say(canonical_json(figures))


if __name__ == "__main__":
    main()
