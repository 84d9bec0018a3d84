"""How often the judge's intervals hold the truth, in the regimes in which they are used."""

from itertools import chain
from pathlib import Path
from typing import Any

from cohorts.errors import raise_if
from scripts.command_line import say

NOMINAL, LEAST, MOST = 0.95, 0.93, 0.97


def coverage(out: Path, num_draws: int = 4000, num_resampled: int = 1000, num_replicates: int = 500) -> None:
    """Simulate how often each 95 % interval holds the truth; 93 to 97 % is what is asked of it.

    Rates of one group are counted out exactly. Whatever covers less or more is said, and stays in the file.

    Args:
        out: JSON file to write.
        num_draws: Samples of each regime.
        num_resampled: Samples of each regime of a bootstrap.
        num_replicates: Replicates of a bootstrap; the judge draws more.

    Example:
        python scripts/benchmark.py coverage --out coverage.json --num_draws 500 --num_resampled 50
    """
    sizes = {name: value for name, value in locals().items() if name != "out"}
    raise_if([f"{name}: must be at least 20 (value: {value})" for name, value in sizes.items() if value < 20])
    from cohorts.files import canonical_json, write_whole
    from scripts.benchmarks.outcome import this_machine
    from scripts.benchmarks.regimes import of_rates
    from scripts.benchmarks.regimes_of_risks import of_risks

    found: list[dict[str, Any]] = []
    for interval, regime, truth, bounds in chain(
        of_rates(num_draws), of_risks(num_draws, num_resampled, num_replicates)
    ):
        lower, upper, chance = bounds
        known = lower <= upper  # False where undefined, which is never a PASS
        covered = float((chance * (known & (lower <= truth) & (truth <= upper))).sum() / (chance * known).sum())
        row = {"interval": interval, "regime": regime, "truth": round(truth, 4), "coverage": round(covered, 4)}
        row |= {
            "too_high": round(float((chance * (lower > truth)).sum()), 4),
            "too_low": round(float((chance * (upper < truth)).sum()), 4),
            "undefined": round(float((chance * ~known).sum()), 4),
            "as_asked": LEAST <= covered <= MOST,
        }
        found.append(row)
        if not row["as_asked"]:
            say(f"{interval}, {regime}: covers {covered:.3f}")
    asked = sum(row["as_asked"] for row in found)
    say(f"{asked} of {len(found)} regimes are covered by {LEAST} to {MOST}")
    result = {
        "benchmark": "coverage",
        "machine": this_machine(),
        "sizes": sizes,
        "nominal": NOMINAL,
        "asked": [LEAST, MOST],
    }
    write_whole(out, canonical_json({**result, "intervals": found}))
