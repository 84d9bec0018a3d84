"""The steps of promote: what was asked for, what is written into the registry, and how its ledger is told."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohorts.errors import InputError, raise_if
from scripts.command_line import say
from scripts.summary import in_words

if TYPE_CHECKING:
    from validation.registry import Registry

# What is asked for by which option: the options that this needs, and those that it may have.
NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "decision": ((), ("model", "key")),
    "sign_off": (("decision", "role", "note"), ("key",)),
    "waive": (("decision", "signers", "expires"), ("key",)),
    "rollback": ((), ("key", "note")),
    "verify": ((), ()),
    "history": ((), ()),
    "make_key": ((), ("key",)),
}


def kind_of(options: Mapping[str, Any]) -> str:
    """What was asked for: a key of NEEDS.

    Raises:
        InputError: Nothing, or two things at once; or options are missing, or there are some that do not belong there.
    """
    given = [name for name, value in options.items() if value not in (None, False) and name != "registry"]
    asked = [name for name in NEEDS if name in given]
    if len(asked) > 1 and asked[0] == "decision":  # that something else is asked of
        asked = asked[1:]
    if len(asked) != 1:
        found = " and ".join(map(_flag, asked)) or "none of them"
        *others, last = map(_flag, NEEDS)
        raise InputError(f"promote: give one of {', '.join(others)} and {last} (given: {found})")
    needed, possible = NEEDS[asked[0]]
    missing = [f"{_flag(asked[0])}: needs {_flag(name)} as well" for name in needed if name not in given]
    strangers = [name for name in given if name not in (*asked, *needed, *possible)]
    raise_if([*missing, *(f"{_flag(asked[0])}: goes without {_flag(name)}" for name in strangers)])
    return asked[0]


def record(registry: "Registry", kind: str, options: Mapping[str, Any]) -> None:
    """Do what was asked for, and say what came of it.

    Raises:
        Refused: A promotion that the decision does not allow.
        InputError: Anything else that cannot be done.
    """
    from validation.decision import read_decision
    from validation.sign_offs import sign_off, waive

    decision: Path | None = options["decision"]
    content = read_decision(decision) if decision else {}
    if kind == "rollback":
        entry = registry.rollback(options["note"])
        done = f"champion is {entry['bundle'][:12]} again"
    elif kind == "make_key":
        entry = registry.ledger.introduce_key(options["make_key"])
        done = f"everything is signed from now on; keep {options['make_key']} away from the registry, and a copy of it"
    elif kind == "sign_off":
        words = {name: options[name] for name in ("role", "note")}
        entry = sign_off(registry.ledger, content, name=options["sign_off"], **words)
        done = f"{entry['name']} answers for decision {entry['decision'][:12]}, {entry['verdict']}"
    elif kind == "waive":
        _check_bundle(decision, content)
        words = {name: options[name] for name in ("signers", "expires")}
        entry = waive(registry.ledger, content, reason=options["waive"], **words)
        done = f"decision {entry['decision'][:12]} may be promoted until {entry['expires']}"
    else:
        assert decision is not None
        entry = registry.promote(decision, _bundle(decision, options["model"], content))
        done = f"champion is {entry['bundle'][:12]}"
    name = {"decision": "promote"}.get(kind, kind)
    say(f"{name}: {done}, entry {entry['number']} of the ledger in {registry.folder}")


def check(registry: "Registry", kind: str) -> None:
    """List the ledger; where it is to be verified, mend what a killed call left behind, and check everything."""
    if kind == "verify":
        for name in registry.ledger.mend():
            say(f"verify: `{name}` was one step behind the ledger, as a killed call leaves it; now it is not")
    entries = registry.verify() if kind == "verify" else registry.history()
    for entry in entries:
        say(f"{entry['number']:>4}  {entry['time']}  {entry['action']:<8}  {told(entry)}")
    if kind == "verify":
        from validation.ledger import champions, public_key

        champion = next((entry["bundle"][:12] for entry in reversed(champions(entries))), "none yet")
        say(f"verify: {len(entries)} entries, every bundle and decision is what it was; champion {champion}")
        say(f"verify: the last entry's digest is {entries[-1]['digest']}; keep it elsewhere: a ledger cut short shows")
        if public := public_key(entries):
            digest = hashlib.sha256(public.encode()).hexdigest()
            say(f"verify: the public key's SHA-256 is {digest}; keep it elsewhere: another key shows")


def told(entry: Mapping[str, Any]) -> str:
    """An entry of the ledger in words, on one line."""
    about = f"bundle {entry['bundle'][:12]}  decision {entry['decision'][:12]}" if "bundle" in entry else ""
    match entry["action"]:
        case "promote" | "rollback":
            said = f"  waiver {entry['waiver'][:12]}" if "waiver" in entry else ""
            return about + said + (f"  {entry['note']}" if "note" in entry else "")
        case "sign_off":
            return f"{about}  {entry['verdict']}, by {entry['name']}, {entry['role']}: {entry['note']}"
        case "waiver":
            signers = " and ".join(entry["signers"])
            return f"{about}  until {entry['expires']}, by {signers}: {entry['reason']}  ({entry['digest'][:12]})"
        case "look":
            return f"held-out cohort {entry['held_out'][:12]}  bundle {entry['model'][:12]}"
        case "judged":
            judged = f"bundle {entry['model'][:12]}  decision {entry['decision'][:12]}"
            return f"held-out cohort {entry['held_out'][:12]}  {judged}  {entry['verdict']}, {in_words(entry['auroc'])}"
        case "key":
            return f"public key {hashlib.sha256(entry['public_key'].encode()).hexdigest()[:12]}"
    return ""


def _bundle(decision: Path, model: Path | None, content: Mapping[str, Any]) -> Path:
    from lightning_modules.manifest import find_bundle

    _check_bundle(decision, content)
    return find_bundle(model) if model else decision.parent / content["model"]["path"]


def _check_bundle(decision: Path | None, content: Mapping[str, Any]) -> None:
    if content["model"]["path"] is None:
        raise InputError(f"decision {decision}: judges predictions of another tool, so there is no bundle to promote")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
