"""The applied model card of the Coalition for Health AI (CHAI) as XML.

Its elements and their order are those of the published schema v0.2 (https://mc.chai.org/v0.2/schema.xsd, a draft that
may change), against which a card of this module was validated once; the tests hold it to the same list of elements
without the network. That an element is there says nothing of its worth: what a decision does not know is
"not available", and no card is complete before its developer has filled it in. It is not signed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import yaml

from validation.crosswalk import STANDARDS, UNKNOWN, Decision, answered
from validation.sections import CROSSED, name_of

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"


def model_card(decision: Decision) -> str:
    """The card of a judged model, as an XML document."""
    content = yaml.safe_load((STANDARDS / "chai_model_card.yaml").read_text(encoding="utf-8"))
    root = ElementTree.Element("AppliedModelCard", xmlns=NAMESPACE)
    _fill(root, content, decision)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ElementTree.Element, content: Mapping[str, Any], decision: Decision) -> None:
    texts = [value for name, value in content.items() if isinstance(value, str) and name != "Results"]
    answers = iter(answered(decision, texts))
    for name, value in content.items():
        element = ElementTree.SubElement(parent, name)
        if name == "Results":
            for label, result in _results(decision, value):
                one = ElementTree.SubElement(element, "MetricResult")
                ElementTree.SubElement(one, "Label").text = _clean(label)
                ElementTree.SubElement(one, "ValueJson").text = json.dumps(result, sort_keys=True)
        elif isinstance(value, str):
            element.text = _clean(next(answers))
        else:
            _fill(element, value, decision)


def _results(decision: Decision, table: str) -> list[tuple[str, dict[str, Any]]]:
    """Estimates as the examples beside the schema write them; a card must have at least one."""
    tables, level = decision["tables"], round(100 - 200 * decision["policy"]["alpha"], 6)
    rows: Sequence[Mapping[str, Any]] = {
        "overall": [{**row, "name": name_of(row["metric"])} for row in tables["performance"]],
        "groups": [
            {**row, "name": f"{name_of(row['metric'])}, {row['feature']} {row['group']}"}
            for row in tables["groups"]
            if CROSSED not in row["feature"]
        ],
        "patterns": [{**row, "name": f"AUROC, {row['group']}"} for row in tables["patterns"]],
    }[table]
    found: list[tuple[str, dict[str, Any]]] = [
        (
            row["name"],
            {"kind": "estimate_ci", "estimate": row["value"], "lower": row["lower"], "upper": row["upper"]}
            | {"level": level, "unit": ""},
        )
        for row in rows
        if row["value"] is not None and row["lower"] is not None
    ]
    return found or [(UNKNOWN, {"kind": "single", "value": UNKNOWN})]


def _clean(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n\r")
