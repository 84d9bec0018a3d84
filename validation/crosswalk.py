"""What a decision can say to the standards under which models are described: HTI-1 and TRIPOD+AI."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from validation.decision import reasons, too_small, worst_group
from validation.sections import name_of, rule_name

STANDARDS = Path(__file__).parent / "standards"
UNKNOWN = "not available"
WALKS = ("hti1", "tripod_ai")
Decision = Mapping[str, Any]


def crosswalks(decision: Decision) -> list[dict[str, Any]]:
    """Both standards: name, title, source, number of answered items, and rows with item, asked, answer and known."""
    found = []
    for name in WALKS:
        standard = yaml.safe_load((STANDARDS / f"{name}.yaml").read_text(encoding="utf-8"))
        answers = answered(decision, [text for _, _, text in standard["items"]])
        rows = [
            {"item": item, "asked": asked, "answer": answer, "known": answer != UNKNOWN}
            for (item, asked, _), answer in zip(standard["items"], answers, strict=True)
        ]
        known = sum(bool(row["known"]) for row in rows)
        kept = {key: standard[key] for key in ("title", "source")}
        found.append({"name": name, **kept, "answered": known, "rows": rows})
    return found


def answered(decision: Decision, texts: list[str]) -> list[str]:
    """Templates with what the decision says put in; "not available" where nothing is left."""
    environment, facts = Environment(autoescape=False, undefined=StrictUndefined), facts_of(decision)
    return [" ".join(environment.from_string(text).render(facts).split()) or UNKNOWN for text in texts]


def as_csv(walk: Mapping[str, Any]) -> str:
    """A crosswalk as CSV: item, asked, answer. A text that a spreadsheet would run as a formula gets a quote first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["item", "asked", "answer"])
    for row in walk["rows"]:
        texts = [str(row[name]) for name in ("item", "asked", "answer")]
        writer.writerow([f"'{text}" if text.startswith(("=", "+", "-", "@")) else text for text in texts])
    return buffer.getvalue()


def facts_of(decision: Decision) -> dict[str, Any]:
    """Phrases that answers are made of; "" where the decision does not know."""
    tables, cohort, use = decision["tables"], decision["cohort"], decision["policy"]["intended_use"]
    everybody = {row["part"]: row for row in tables["people"] if row["feature"] == "all"}
    group, few = worst_group(decision), too_small(decision)
    features = list(dict.fromkeys(row["feature"] for row in tables["people"] if row["feature"] != "all"))
    return {
        "decision": decision,
        "policy": decision["policy"],
        "intended_use": "" if use.startswith("PLACEHOLDER") else use,
        "cohort": {name: value or "" for name, value in cohort.items()},
        "point": decision["operating_point"],
        "licence": f"Licence of the data: {cohort['licence']}" if cohort["licence"] else "",
        "leakage": cohort["leakage_notes"] or "",
        "num_held_out": everybody["held_out"]["num_subjects"] if "held_out" in everybody else "an unknown number of",
        "flow": " ".join(f"{part.replace('_', ' ')}: {row['num_subjects']}." for part, row in everybody.items()),
        "by_feature": f"The report counts people by {', '.join(features)}." if features else "",
        "sites": _estimates(tables["sites"], "AUROC at"),
        "performance": _estimates([{**row, "group": name_of(row["metric"])} for row in tables["performance"]], ""),
        "fairness": f"Worst group: {group['sentence']}." if group else "",
        "too_small": f"Groups too small to judge: {', '.join(few)}." if few else "",
        "reasons": " ".join(f"{reason}." for reason in reasons(decision)),
        "notes": " ".join(f"{note}." for note in decision["notes"]),
        "goals": _goals(decision, lambda kind: "group" not in kind and "pattern" not in kind),
        "group_goals": _goals(decision, lambda kind: "group" in kind),
        "pattern_goals": _goals(decision, lambda kind: "pattern" in kind),
    }


def _estimates(rows: list[dict[str, Any]], before: str) -> str:
    known = [row for row in rows if row["value"] is not None and row["lower"] is not None]
    said = [f"{before} {r['group']} {r['value']:.2f} [{r['lower']:.2f}, {r['upper']:.2f}]".strip() for r in known]
    return f"{'; '.join(said)}." if said else ""


def _goals(decision: Decision, fits: Callable[[str], bool]) -> str:
    return "; ".join(rule_name(rule) for rule in decision["policy"]["checks"] if fits(rule["kind"]))
