"""What the sections of the report show, from the decision alone, as rows that the templates only lay out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from cohorts.missingness import short_name
from validation.audit import METRICS
from validation.explanations import explanation
from validation.figures import Scale
from validation.gate import worst

VERDICTS = ("ERROR", "FAIL", "INSUFFICIENT", "PASS", "NOT APPLICABLE")
NAMES = {"auroc": "AUROC", "auprc_lift": "AUPRC lift", "ppv": "PPV", "brier": "Brier score"}
CROSSED = " & "
OTHERS = " minus others"
BOUNDS = {"value": "", "lower": "_lower", "upper": "_upper"}
"""Parts of an estimate, and how the columns end that hold them."""
Decision = Mapping[str, Any]
Row = dict[str, Any]


def name_of(metric: str) -> str:
    """A metric as a reader knows it.

    Example:
        >>> name_of("auroc"), name_of("selection_rate")
        ('AUROC', 'Selection rate')
    """
    return NAMES.get(metric) or metric.replace("_", " ").capitalize()


def joined(verdicts: Sequence[str]) -> str:
    """The verdict of several; those that do not apply count only where there is no other."""
    applying = [verdict for verdict in verdicts if verdict != "NOT APPLICABLE"]
    return worst(applying) if applying or not verdicts else "NOT APPLICABLE"


def checks(decision: Decision) -> list[Row]:
    """Each check of the policy: its name, verdict, counts by verdict, findings, their scale, and what it means."""
    found = []
    for number, rule in enumerate(decision["policy"]["checks"]):
        findings = [finding for finding in decision["findings"] if finding["check"] == number]
        verdicts = [finding["verdict"] for finding in findings]
        bounds = [finding for finding in findings if finding["value"] is not None]
        ordered = sorted(findings, key=lambda f: (VERDICTS.index(f["verdict"]), f["lower"] is None, f["lower"] or 0))
        found.append(
            {
                "number": number + 1,
                "name": rule_name(rule),
                "verdict": joined(verdicts),
                "counts": {verdict: verdicts.count(verdict) for verdict in VERDICTS},
                "findings": ordered,
                "drawn": bool(bounds),
                "scale": Scale.of(bounds, [finding["threshold"] for finding in bounds]),
                "explanation": explanation(rule["kind"]),
                "scopes": {verdict: _scopes(ordered, verdict) for verdict in VERDICTS},
            }
        )
    return found


def _scopes(findings: Sequence[Row], verdict: str) -> list[str]:
    return list(dict.fromkeys(f["scope"].removesuffix(OTHERS) for f in findings if f["verdict"] == verdict))


def rule_name(rule: Mapping[str, Any]) -> str:
    """A rule in a few words, with all its numbers.

    Example:
        >>> rule_name({"kind": "floor", "metric": "auroc", "floor": 0.7})
        'floor: AUROC (floor 0.7)'
        >>> rule_name({"kind": "calibration", "tolerance": 0.8, "by_group": True})
        'calibration by group (tolerance 0.8)'
    """
    words = {key: value for key, value in rule.items() if value is not None}
    kind = str(words.pop("kind")).replace("_", " ") + (" by group" if words.pop("by_group", False) else "")
    metric = str(words.pop("metric", ""))
    rest = ", ".join(f"{key.replace('_', ' ')} {_listed(value)}" for key, value in words.items())
    return f"{kind}{f': {name_of(metric)}' if metric else ''}{f' ({rest})' if rest else ''}"


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each).replace("_", " ") for each in value)
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def matrix(decision: Decision) -> dict[str, Any]:
    """Verdict of each group of a sensitive feature in each check that looks at groups."""
    by_group = [f for f in decision["findings"] if f["family"] in decision["declared_groups"]]
    columns = sorted({finding["check"] for finding in by_group})
    scopes = dict.fromkeys(finding["scope"].removesuffix(OTHERS) for finding in by_group)
    verdicts: dict[tuple[str, int], list[str]] = {}
    for finding in by_group:
        verdicts.setdefault((finding["scope"].removesuffix(OTHERS), finding["check"]), []).append(finding["verdict"])
    cells = {scope: [joined(verdicts[scope, c]) if (scope, c) in verdicts else "" for c in columns] for scope in scopes}
    worst_first = sorted(cells, key=lambda s: min(VERDICTS.index(v) for v in cells[s] if v))
    return {
        "columns": [(number + 1, rule_name(decision["policy"]["checks"][number])) for number in columns],
        "rows": [(scope, cells[scope]) for scope in worst_first],
    }


def forests(decision: Decision) -> dict[str, dict[str, Any]]:
    """Metric to its groups, worst lower bound first, those without one last, with the policy's floor and margins.

    A group's margin is drawn where its own rate would have to be: the others' rate less the margin.
    """
    found = {}
    rules, single = (
        decision["policy"]["checks"],
        [r for r in decision["tables"]["groups"] if CROSSED not in r["feature"]],
    )
    for metric in METRICS:
        numbers = [n for n, rule in enumerate(rules) if rule.get("metric") == metric and "by_group" in rule["kind"]]
        findings = [finding for finding in decision["findings"] if finding["check"] in numbers]
        floors = [finding["threshold"] for finding in findings if finding["kind"] == "floor_by_group"]
        rows = []
        for row in single:
            if row["metric"] != metric:
                continue
            scope = f"{row['feature']} {row['group']}"
            own = [finding for finding in findings if finding["scope"] in (scope, scope + OTHERS)]
            gap = next((f for f in own if f["kind"] == "gap_by_group" and f["value"] is not None), None)
            margin = None if gap is None or row["value"] is None else row["value"] - gap["value"] + gap["threshold"]
            verdict = joined([f["verdict"] for f in own]) if own else ""
            rows.append({**row, "scope": scope, "verdict": verdict, "margin": margin})
        rows.sort(key=lambda row: (row["lower"] is None, row["lower"] or 0))
        floor = max(floors, default=None)
        scale = Scale.of(rows, [floor, *(row["margin"] for row in rows)])
        found[metric] = {"rows": rows, "floor": floor, "scale": scale, "judged": bool(findings)}
    return found


def earlier_looks(decision: Decision) -> list[Row]:
    """Earlier looks with their AUROC as an estimate, be it stored with bounds, as a number alone, or not at all."""
    nothing = dict.fromkeys(("value", "lower", "upper"))
    found = []
    for look in (decision.get("looks") or {}).get("earlier") or []:
        area = look.get("auroc")
        found.append({**look, **nothing, **(area if isinstance(area, dict) else {"value": area})})
    return found


def in_short(pattern: str, modalities: Sequence[str]) -> str:
    """A pattern in few words; a text that is none stays as it is.

    Example:
        >>> in_short("labs+ecg", ["labs", "ecg", "imaging"]), in_short("all other patterns", ["labs", "ecg"])
        ('all but imaging', 'all other patterns')
    """
    present = pattern.split("+")
    return short_name(present, modalities) if set(present) <= set(modalities) else pattern


def degradation(decision: Decision) -> list[Row]:
    """The curve's rows, whose bounds are those of the mean, and whose worst subset is told in short."""
    rows = decision["tables"].get("degradation", [])
    common = max((row.get("worst_subset") or "" for row in rows), key=len, default="").split("+")
    return [
        {
            **row,
            "mean_lower": row.get("lower"),
            "mean_upper": row.get("upper"),
            "worst_subset": in_short(row.get("worst_subset") or "–", common),
        }
        for row in rows
    ]


def nested(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Rows by the value of a column, in their order."""
    return {name: list(part) for name, part in groupby(rows, key=lambda row: row[key])}


def intersections(decision: Decision) -> dict[str, list[Row]]:
    """Pair of features to one row a crossed group, with its metrics side by side."""
    found: dict[str, list[Row]] = {}
    crossed = [row for row in decision["tables"]["groups"] if CROSSED in row["feature"]]
    for (feature, _), part in groupby(crossed, key=lambda row: (row["feature"], row["group"])):
        cells = list(part)
        found.setdefault(feature, []).append({**cells[0], "metrics": {cell["metric"]: cell for cell in cells}})
    return found


def availability(rows: Sequence[Row]) -> list[Row]:
    """One row a group, with the share who have each modality as text and, where it is known, as a number."""
    found = []
    for _, part in groupby(rows, key=lambda row: (row.get("feature"), row["group"])):
        cells = list(part)
        found.append({**cells[0], "shares": {cell["modality"]: (_share(cell), cell["value"]) for cell in cells}})
    return found


def _share(cell: Mapping[str, Any]) -> str:
    """A share, or what may be said of it where a handful have the modality or lack it."""
    if cell["value"] is not None:
        return share(cell["value"])
    few, nearly_all = (str(cell[name]).startswith("<") for name in ("num_present", "num_absent"))
    return "–" if few == nearly_all else "few" if few else "nearly all"


def number(value: Any, digits: int = 2) -> str:
    """A number with a true minus, a text as it is, a dash for nothing.

    Example:
        >>> number(-0.1234), number(-0.0001), number(None), number("≥190")
        ('−0.12', '0.00', '–', '≥190')
    """
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus before a zero


def share(value: Any) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{100 * value:.0f} %"


def comparisons(decision: Decision) -> list[Row]:
    """One row a model that this one is compared with, its gains in AUROC and in Brier score side by side."""
    rows = decision["tables"].get("comparisons", [])
    named = [{**row, "against": str(row["against"]).replace("_", " ")} for row in rows]
    return _side_by_side(named, ("against", "kind"), "metric", ("auroc", "brier"))


def mitigations(decision: Decision) -> list[Row]:
    """For each sensitive feature: the headings of its ways, and a row a metric and group with each way's estimate."""
    found, tried = [], decision["tables"].get("mitigation", [])
    for feature, rows in nested(sorted(tried, key=lambda row: row["feature"]), "feature").items():
        ways = list(dict.fromkeys(row["mitigation"] for row in rows))
        ordered = sorted(rows, key=lambda row: list(METRICS).index(row["metric"]))
        table = _side_by_side(ordered, ("metric", "group"), "mitigation", ways)
        found.append({"feature": feature, "headings": {way: way for way in ways}, "rows": table})
    return found


def _side_by_side(rows: Sequence[Row], about: Sequence[str], across: str, values: Sequence[str]) -> list[Row]:
    """Rows alike but for one column made one, with an estimate and its bounds for each value of that column."""
    columns = {(value, key): f"{value}{end}" for value in values for key, end in BOUNDS.items()}
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in about)
        one = found.setdefault(key, {**dict(zip(about, key, strict=True)), **dict.fromkeys(columns.values())})
        one.update({columns[row[across], part]: row[part] for part in BOUNDS})
    return list(found.values())
