"""A finding: what one check found for one group, in numbers and in words."""

from dataclasses import dataclass

UNDEFINED = "an interval"


@dataclass(frozen=True)
class Finding:
    """What one check found for one group, and what follows.

    Attributes:
        check: Position of the check in the policy.
        kind: Kind of the check.
        title: What is estimated.
        scope: Of whom.
        basis: "bounds", "too_few", "missing" (declared but not there), "holds" or "broken" (a fact of integrity),
            "not_applicable" (there is nothing that it could be asked of; it counts neither way).
        threshold: What the lower bound must reach; None for a fact.
        value, lower, upper: Estimate and bounds; None where they are not to be shown or do not exist.
        family: Sensitive feature, or "pattern", whose groups add up to everybody; "" for none.
        support, unit: How many subjects of what kind it rests on; None where under the smallest group.
        rounded: Whether the support is a lower limit only, so that nobody can subtract.
        few: Under "too_few", what there are too few of; under "missing" and "not_applicable", why.
        p_fail: Smallest level at which the upper bound is under the threshold.
        needed: How many of `unit` would decide for PASS if the estimate stayed; None where none would, or unknown.
        verdict: PASS, FAIL, INSUFFICIENT, ERROR or NOT APPLICABLE.
        sentence: The finding in words.
    """

    check: int
    kind: str
    title: str
    scope: str
    basis: str
    threshold: float | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    support: int | None = None
    unit: str = "subjects"
    few: str | None = None
    family: str = ""
    rounded: bool = False
    p_fail: float | None = None
    needed: int | None = None
    verdict: str = "ERROR"
    sentence: str = ""


def sentence(finding: Finding, verdict: str, smallest_group: int) -> str:
    name = f"{finding.title}, {finding.scope}"
    if finding.basis in ("holds", "broken"):
        return f"{finding.title}: {'yes' if finding.basis == 'holds' else 'NO'}"
    if finding.basis == "not_applicable":
        return f"{name}: not applicable, as {finding.few}"
    if finding.basis == "missing":
        return f"{name}: {finding.few}"
    word = "floor" if (finding.threshold or 0) > 0 else "margin"
    limit = f"{word} {_number(finding.threshold)}"
    if finding.basis == "too_few" and finding.few == UNDEFINED:
        return f"{name}: no interval can be given, as nothing varies among these subjects"
    if finding.basis == "too_few":
        needed = f"; about {finding.needed} {finding.unit} needed at the overall rate" if finding.needed else ""
        return f"{name}: fewer than {smallest_group} {finding.few}, which cannot support an audit{needed}"
    support = f"{'at least ' if finding.rounded else ''}{finding.support} {finding.unit}"
    interval = f"{_number(finding.value)} [{_number(finding.lower)}, {_number(finding.upper)}]"
    if verdict == "PASS":
        return f"{name}: {interval}, lower bound reaches {limit}; {support}"
    if verdict == "FAIL":
        return f"{name}: {interval}, upper bound is under {limit}; {support}"
    needed = f"about {finding.needed} needed" if finding.needed else "no number would pass at this estimate"
    digits = 3 if _number(finding.lower) == _number(finding.threshold) else 2
    bound, limit = _number(finding.lower, digits), f"{word} {_number(finding.threshold, digits)}"
    return f"{name}: {interval}, lower bound {bound} < {limit}; {support}, {needed}"


def _number(value: float | None, digits: int = 2) -> str:
    return "?" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a zero
