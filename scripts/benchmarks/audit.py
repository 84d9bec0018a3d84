"""What the judge's statistics cost: the bootstrap by group beside fairlearn's own, and a decision on many rows."""

from pathlib import Path
from typing import Any

from cohorts.errors import raise_if
from scripts.command_line import say

GOALS = (
    ("against_fairlearn.times_less_cpu", "at_least", 500),
    ("against_fairlearn.mean_difference_of_bounds", "at_most", 0.01),
    ("against_fairlearn.seconds_of_all_replicates", "at_most", 5),
    ("many_rows.seconds", "at_most", 60),
    ("many_rows.peak_resident_megabytes", "at_most", 1000),
    ("growth.times_n_log_n", "at_most", 1),
    ("decision.seconds", "at_most", 90),
)


def audit(
    out: Path,
    num_rows: int = 100_000,
    num_groups: int = 40,
    num_replicates: int = 2000,
    fairlearn_replicates: int = 100,
    many_rows: int = 1_000_000,
    judged_rows: int = 10_000_000,
    quick: bool = False,
) -> None:
    """Measure the bootstrap of five metrics by group beside that of fairlearn's MetricFrame, and a whole decision.

    Made-up predictions. Seconds are of the processor, of this process, so that other load on the machine does not
    count; it does slow the memory down, so that the load at the start is given too.

    Args:
        out: JSON file to write.
        num_rows: Subjects, on whom both sides are run.
        num_groups: Intersections of two sensitive features; a multiple of 4.
        num_replicates: Replicates where fairlearn is not beside.
        fairlearn_replicates: Replicates of both sides, where it is.
        many_rows: Subjects of the largest bootstrap.
        judged_rows: Subjects of the decision, by the policy screening, as predictions of another tool.
        quick: Fewer rows, and a fifth of fairlearn's replicates, to see that all runs.

    Example:
        python scripts/benchmark.py audit --out audit.json --quick
    """
    sizes = {name: value for name, value in locals().items() if name not in ("out", "quick")}
    if quick:
        sizes |= {"num_rows": num_rows // 10, "many_rows": many_rows // 20, "judged_rows": judged_rows // 100}
        sizes |= {"fairlearn_replicates": fairlearn_replicates // 5}
    # Enough of each group that every replicate has both of its classes, also where rows are fewest.
    least = {"num_rows": 40 * num_groups, "many_rows": 2560 * num_groups // 4, "judged_rows": 1000, "num_groups": 4}
    least |= {"num_replicates": 100, "fairlearn_replicates": 2}
    problems = [
        f"{name}: must be at least {low} (value: {sizes[name]})" for name, low in least.items() if sizes[name] < low
    ]
    if num_groups % 4:
        problems.append(f"num_groups: must be a multiple of 4 (value: {num_groups})")
    raise_if(problems)
    import os
    from importlib.metadata import version

    from scripts.benchmarks.judging import against_fairlearn, bootstrap, decision, growth
    from scripts.benchmarks.outcome import this_machine, write_with_goals

    machine = this_machine() | {"fairlearn": version("fairlearn"), "load_before": round(os.getloadavg()[0], 1)}
    found: dict[str, Any] = {"benchmark": "audit", "machine": machine, "sizes": sizes}
    say(f"many rows: {num_replicates} replicates of {sizes['many_rows']} rows")
    found["many_rows"] = bootstrap(sizes["many_rows"], num_groups, num_replicates)
    found["growth"] = growth(sizes["many_rows"], num_groups, num_replicates)
    say(f"decision: {sizes['judged_rows']} rows")
    found["decision"] = decision(sizes["judged_rows"])
    say(f"fairlearn: {sizes['fairlearn_replicates']} replicates of {sizes['num_rows']} rows, both sides")
    found["against_fairlearn"] = against_fairlearn(
        sizes["num_rows"], num_groups, sizes["fairlearn_replicates"], num_replicates
    )
    write_with_goals(out, found, GOALS)
