"""The report: one offline HTML file that follows from the decision alone, with the decision embedded as JSON."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cohorts.files import canonical_json
from cohorts.templates import STYLES
from validation import charts, figures, sections
from validation.crosswalk import crosswalks
from validation.decision import reasons, too_small, worst_group

TEMPLATES = Path(__file__).parent / "templates"
SYMBOLS = {"PASS": "✔", "FAIL": "✖", "INSUFFICIENT": "?", "ERROR": "!", "NOT APPLICABLE": "–"}
MEANINGS = {
    "PASS": "every lower bound reaches its threshold",
    "FAIL": "at least one upper bound is under its threshold",
    "INSUFFICIENT": "the data cannot decide; nothing failed for certain",
    "ERROR": "something is undefined, missing or changed",
}
SECTIONS = {  # after the verdict, which is the first
    "why": "Why",
    "checks": "Checks",
    "people": "Who is in the data",
    "availability": "Who has which modality",
    "overall": "Overall performance",
    "groups": "Groups",
    "calibration": "Calibration by group",
    "net_benefit": "Decision curves",
    "intersections": "Intersections",
    "patterns": "Patterns and degradation",
    "sensitivity": "Sensitivity analyses",
    "criteria": "What each check means",
    "use": "Intended use, harms and owners",
    "crosswalk": "Crosswalk to reporting standards",
    "provenance": "Provenance",
}


def render(decision: Mapping[str, Any]) -> str:
    """HTML of a decision. It loads nothing, and shows no count or figure that the decision suppressed.

    Its only script is the one of its template, which the page's own policy names by its digest: it shows one metric at
    a time and moves the exploratory threshold, over figures that are in the decision.
    """
    decision = json.loads(canonical_json(decision))  # as it is read from its file, keys sorted
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": sections.number,
        "share": sections.share,
        "metric": sections.name_of,
        "in_short": sections.in_short,
        "css": lambda verdict: verdict.replace(" ", "-"),
    }
    environment.globals |= {"symbols": SYMBOLS, "strip": figures.strip, "scale_of": figures.Scale.of}
    script = (TEMPLATES / "report" / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    embedded = json.dumps(decision, sort_keys=True, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template("report.html.j2").render(
        **_content(decision), script=Markup(script), script_digest=digest, embedded=Markup(embedded)
    )


def _content(decision: Mapping[str, Any]) -> dict[str, Any]:
    tables = decision["tables"]
    return {
        "decision": decision,
        "tables": tables,
        "sections": SECTIONS,
        "meanings": MEANINGS,
        "reasons": reasons(decision),
        "worst_group": worst_group(decision),
        "too_small": too_small(decision),
        "checks": sections.checks(decision),
        "matrix": sections.matrix(decision),
        "people": sections.nested(tables["people"], "feature"),
        "availability_by_part": sections.availability(tables["availability"]),
        "availability_by_group": sections.availability(tables["availability_by_group"]),
        "forests": sections.forests(decision),
        "intersections": sections.intersections(decision),
        "calibration_charts": charts.calibration(tables.get("calibration", [])),
        "decision_chart": charts.net_benefit(tables.get("decision_curve", [])),
        "degradation_chart": charts.degradation(tables.get("degradation", [])),
        "degradation": sections.degradation(decision),
        "earlier_looks": sections.earlier_looks(decision),
        "comparisons": sections.comparisons(decision),
        "mitigations": sections.mitigations(decision),
        "crosswalks": crosswalks(decision),
    }
