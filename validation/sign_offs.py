"""Who answers for a decision: sign-offs of any verdict, and waivers of one that the data could not make.

Both are lines of the ledger that name the decision's digest, so that they hold for that decision alone. Names are what
was typed: who typed them is not shown, except that it was somebody with the registry's key, where it has one.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cohorts.errors import InputError, raise_if
from validation.ledger import Entry, Ledger

LONGEST_WAIVER = timedelta(days=365)


def sign_off(ledger: Ledger, decision: Mapping[str, Any], *, name: str, role: str, note: str) -> Entry:
    """Write down that somebody read a decision and answers for it; it promotes nothing.

    Args:
        ledger: Of the registry.
        decision: From `read_decision`.
        name: Who signs.
        role: As what.
        note: What they have to say.

    Raises:
        InputError: Something is empty, or the same person in the same role has signed this decision already.
    """
    given, problems = _checked({"sign-off": name, "role": role, "note": note})
    raise_if(problems)
    with ledger.writing() as entries:
        for entry in of_decision(entries, "sign_off", decision):
            if all(_same(entry[key], given[word]) for key, word in (("name", "sign-off"), ("role", "role"))):
                raise InputError(
                    f"sign-off: {entry['name']}, {entry['role']}, has signed decision {decision['digest'][:12]} "
                    f"already, in entry {entry['number']} of the ledger; a sign-off is never changed"
                )
        content = {"name": given["sign-off"], "role": given["role"], "note": given["note"]}
        return ledger.append(entries, "sign_off", **_about(decision), **content)


def waive(ledger: Ledger, decision: Mapping[str, Any], *, reason: str, signers: Sequence[str], expires: str) -> Entry:
    """Allow the promotion of a model whose verdict is INSUFFICIENT, until a day, on two people's word.

    Args:
        ledger: Of the registry.
        decision: From `read_decision`.
        reason: Why the model may be used although the data cannot decide.
        signers: Two different people.
        expires: The last day on which it holds (UTC), as YYYY-MM-DD; in the future, and at most 365 days away.

    Raises:
        InputError: Another verdict, as a FAIL or an ERROR can never be waived; and all that is wrong with the rest.
    """
    given, problems = _checked({"waive": reason, **{f"signer {n}": who for n, who in enumerate(signers, start=1)}})
    if decision["verdict"] != "INSUFFICIENT":
        why = "needs no waiver" if decision["verdict"] == "PASS" else "can never be waived"
        problems.append(
            f"waive: the decision's verdict is {decision['verdict']}, which {why}; only INSUFFICIENT can be"
        )
    names = [name for word, name in given.items() if word != "waive"]
    if len(names) != 2 or _same(*names):
        problems.append(f"signers: must be two different people (value: {', '.join(names) or 'nobody'})")
    raise_if(problems + _expiry_problems(expires))
    with ledger.writing() as entries:
        content = {"reason": given["waive"], "signers": names, "expires": expires}
        return ledger.append(entries, "waiver", **_about(decision), **content)


def waiver_for(entries: Sequence[Entry], decision: Mapping[str, Any]) -> Entry | None:
    """The waiver of a decision that holds longest, be it expired or not; None where there is none.

    A waiver of a decision whose verdict is not INSUFFICIENT is none, whatever the ledger says.
    """
    if decision["verdict"] != "INSUFFICIENT":
        return None
    found = of_decision(entries, "waiver", decision)
    return max(found, key=lambda entry: entry["expires"], default=None)


def expired(waiver: Entry) -> bool:
    """Whether a waiver's last day is over, by this machine's clock."""
    return date.fromisoformat(waiver["expires"]) < today()


def of_decision(entries: Sequence[Entry], action: str, decision: Mapping[str, Any]) -> list[Entry]:
    """Entries of one kind about one decision, oldest first."""
    return [entry for entry in entries if entry["action"] == action and entry["decision"] == decision["digest"]]


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def _about(decision: Mapping[str, Any]) -> dict[str, str]:
    return {"decision": decision["digest"], "bundle": decision["model"]["digest"], "verdict": decision["verdict"]}


def _checked(texts: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Texts on one line each, without needless spaces; and what is wrong with them."""
    tidy = {word: " ".join(text.split()) for word, text in texts.items()}
    problems = [f"{word}: must not be empty" for word, text in tidy.items() if not text]
    problems += [
        f"{word}: has characters that cannot be shown" for word, text in tidy.items() if not text.isprintable()
    ]
    problems += [
        f"{word}: mixes letters of several scripts, which may look like another name (value: {text})"
        for word, text in tidy.items()
        if word.startswith(("sign", "role")) and _mixed_scripts(text)
    ]
    return tidy, problems


def _same(one: str, other: str) -> bool:
    """Whether two names are one, whatever their case, spaces, dots, accents and Unicode form.

    Example:
        >>> _same("Ada  Lovelace", "ada lovelace."), _same("Ada", "Grace")
        (True, False)
    """
    first, second = (unicodedata.normalize("NFKD", name).casefold() for name in (one, other))
    return [c for c in first if c.isalnum()] == [c for c in second if c.isalnum()]


def _mixed_scripts(text: str) -> bool:
    """Whether letters of several scripts are mixed, as where a Cyrillic letter looks like a Latin one."""
    return len({unicodedata.name(c, "?").split()[0] for c in text if c.isalpha()}) > 1


def _expiry_problems(expires: str) -> list[str]:
    day = None
    with suppress(ValueError):
        day = date.fromisoformat(expires)
    if day is None or expires != day.isoformat():
        return [f"expires: must be a day as YYYY-MM-DD (value: {expires})"]
    if not today() < day <= today() + LONGEST_WAIVER:
        last = today() + LONGEST_WAIVER
        return [f"expires: must be after today, {today()}, and at most 365 days away, {last} (value: {expires})"]
    return []
