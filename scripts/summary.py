"""What a workflow tells at its end, and leaves as summary.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.command_line import say


def summarise(out: Path, candidate: str) -> dict[str, Any]:
    """What a person wants to know at the end, from the decision; paths are below OUT."""
    from validation.decision import read_decision, reasons, too_small, worst_group

    decision = read_decision(out / "validate" / "decision.json")
    auroc = next(row for row in decision["tables"]["performance"] if row["metric"] == "auroc")
    group = worst_group(decision)
    return {
        "verdict": decision["verdict"],
        "candidate": candidate,
        "reasons": reasons(decision),
        "auroc": {key: auroc[key] for key in ("value", "lower", "upper", "support")},
        "worst_group": group["sentence"] if group else "none could be judged",
        "too_small_to_judge": too_small(decision),
        "report": str(out / "validate" / "report.html"),
        "decision": str(out / "validate" / "decision.json"),
        "bundle": str(out / candidate / "bundle"),
        "dashboard": str(out / "wandb"),
        "champion": decision["verdict"] == "PASS",
        "registry": str(out / "registry"),
    }


def tell(summary: dict[str, Any]) -> str:
    """Print the summary and return its verdict."""
    auroc = summary["auroc"]
    area = f"{in_words(auroc)} on {auroc['support']} held-out subjects".removeprefix("AUROC ")
    place = f"champion of {summary['registry']}" if summary["champion"] else "not promoted"
    lines = {
        "verdict": summary["verdict"],
        "AUROC": area,
        "worst group": summary["worst_group"],
        "too small": ", ".join(summary["too_small_to_judge"]) or "no group",
        "report": summary["report"],
        "dashboard": f"wandb leet {summary['dashboard']}",
        "bundle": f"{summary['bundle']}, {place}",
    }
    say("")
    for name, text in lines.items():
        say(f"{name:<12} {text}")
    if summary["reasons"]:
        count = len(summary["reasons"])
        each = f"{count} reasons not to promote it, each" if count > 1 else "1 reason not to promote it,"
        say(f"{'':<12} {each} in the report")
    return str(summary["verdict"])


def in_words(auroc: Mapping[str, Any] | None) -> str:
    """An AUROC with its bounds; what has no bounds, as it rests on a few, is not told.

    Example:
        >>> in_words({"value": 0.8, "lower": 0.75, "upper": 0.85}), in_words({"value": 0.8, "lower": None})
        ('AUROC 0.800 [0.750, 0.850]', 'no AUROC')
    """
    if not auroc or None in auroc.values():
        return "no AUROC"
    return "AUROC {value:.3f} [{lower:.3f}, {upper:.3f}]".format(**auroc)
