"""What the gate does to models that are known: how often it lets a worse group pass, and fails equal ones."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.errors import raise_if
from scripts.command_line import say

SENSITIVITY, MARGIN, THRESHOLD = 0.85, 0.10, 0.5
NUM_NEGATIVES = 20  # of each group; no check looks at them


def gate(
    out: Path,
    num_runs: int = 1000,
    num_groups: int = 8,
    positives: list[int] | None = None,
    drops: list[float] | None = None,
) -> None:
    """Simulate the gate on groups of one feature, of which the first has a lower sensitivity, or all the same.

    The policy has one check: the sensitivity of no group is lower than that of the others by more than 0.10. Beside the
    gate stands one that decides from points: it fails a model where any group is lower by more than 0.10.

    Args:
        out: JSON file to write.
        num_runs: Models of each setting.
        num_groups: Groups, of equal size.
        positives: Positives of each group; 50, 200 and 1000 by default.
        drops: How much lower the sensitivity of the first group is; 0, 0.1 and 0.2 by default.

    Example:
        python scripts/benchmark.py gate --out gate.json --num_runs 100
    """
    raise_if([f"num_runs: must be at least 20 (value: {num_runs})"] if num_runs < 20 else [])
    from cohorts.files import canonical_json, write_whole
    from scripts.benchmarks.outcome import this_machine

    rows = []
    for num_positives in map(int, positives or (50, 200, 1000)):
        for drop in map(float, drops or (0.0, 0.1, 0.2)):
            rates = np.full(num_groups, SENSITIVITY)
            rates[0] -= drop
            row: dict[str, Any] = {"positives": num_positives, "drop": drop, **_shares(rates, num_positives, num_runs)}
            rows.append(row)
            shown = ", ".join(f"{name} {row[name]:.1%}" for name in ("PASS", "FAIL", "INSUFFICIENT", "point_fails"))
            say(f"{num_positives} positives a group, one lower by {drop:g}: {shown}")
    sizes = {"num_runs": num_runs, "num_groups": num_groups, "sensitivity": SENSITIVITY, "margin": MARGIN}
    write_whole(out, canonical_json({"benchmark": "gate", "machine": this_machine(), "sizes": sizes, "settings": rows}))


def _shares(rates: np.ndarray, num_positives: int, num_runs: int) -> dict[str, float]:
    """Shares of runs by verdict of the gate, and of those that a gate by points fails."""
    from validation.checks import Evidence
    from validation.gate import as_data, evaluate, judge_again
    from validation.policy import parse_policy

    check = {"kind": "gap_by_group", "metric": "sensitivity", "margin": MARGIN}
    about = {"name": "gate", "owner": "nobody", "intended_use": "a simulation", "operating_point": {"value": 0.85}}
    policy = parse_policy({**about, "checks": [check]}, "policy")
    rng = np.random.default_rng(0)
    names = [f"g{number}" for number in range(len(rates))]
    frame = pd.DataFrame({"sensitive.group": np.repeat(names, num_positives + NUM_NEGATIVES)})
    frame["label"] = np.tile(np.r_[np.ones(num_positives, int), np.zeros(NUM_NEGATIVES, int)], len(rates))
    verdicts: Counter[str] = Counter()
    for _ in range(num_runs):
        found = rng.random((len(rates), num_positives)) < rates[:, None]
        score = np.hstack([found, np.zeros((len(rates), NUM_NEGATIVES), dtype=bool)]).ravel().astype(float)
        evidence = Evidence(frame.assign(score=score), THRESHOLD, {"group": names}, {})
        verdicts[judge_again(as_data(evaluate(policy, evidence)), policy)] += 1
        hits = found.mean(axis=1)
        others = (hits.sum() - hits) / (len(hits) - 1)
        verdicts["point_fails"] += int((hits - others < -MARGIN).any())
    kinds = ("PASS", "FAIL", "INSUFFICIENT", "ERROR", "point_fails")
    return {name: verdicts[name] / num_runs for name in kinds}
