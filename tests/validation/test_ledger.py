"""The ledger: a chain of digests in which nothing can be changed, removed or put in unnoticed."""

import json
from pathlib import Path

import pytest

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from validation.ledger import Ledger, champions

LOOK = {"held_out": "a" * 64, "model": "b" * 64}


def promoted(bundle: str) -> dict[str, object]:
    return {"bundle": bundle * 64, "decision": "d" * 64, "files": {}}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Three entries, the second of which made a champion."""
    made = Ledger(tmp_path / "registry")
    for action, content in [("look", LOOK), ("promote", promoted("1")), ("look", LOOK)]:
        with made.writing() as entries:
            made.append(entries, action, **content)
    return made


def test_entries_are_numbered_and_hold_the_digest_of_the_one_before(ledger: Ledger) -> None:
    entries = ledger.entries()
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert [entry["previous"] for entry in entries] == ["0" * 64, entries[0]["digest"], entries[1]["digest"]]
    assert champions(entries) == entries[1:2]
    assert (ledger.folder / "champion").read_text() == "1" * 64 + "\n"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[1].replace("promote", "Promote"), lines[2]], 2),
        (lambda lines: [lines[0], "not json\n"], 2),
        (lambda lines: [lines[0], '["a list"]\n'], 2),
        (lambda lines: [lines[0], "\n", *lines[1:]], 2),
        (lambda lines: [lines[0].replace(": ", ":"), *lines[1:]], 1),
        (lambda lines: [*lines[:2], lines[2].replace("\n", "\r\n")], 3),
        (lambda lines: [*lines[:2], lines[2].rstrip("\n")], 3),
        (lambda lines: [*lines[:2], "[" * 100_000 + "\n"], 3),
        (lambda lines: [lines[0].replace('{"action"', '{"signature": "", "action"'), *lines[1:]], 1),
    ],
)
def test_the_first_line_that_was_changed_removed_or_put_in_is_named(ledger: Ledger, change: object, line: int) -> None:
    lines = ledger.path.read_bytes().decode().splitlines(keepends=True)
    ledger.path.write_bytes("".join(change(lines)).encode())  # type: ignore[operator]
    with pytest.raises(InputError, match=f"line {line} of the ledger was changed, removed or put in"):
        ledger.entries()


@pytest.mark.parametrize(
    ("action", "content"),
    [
        ("promote", {"bundle": "1" * 64, "files": {}}),
        ("promote", {**promoted("1"), "bundle": 1}),
        ("waiver", {"decision": "d" * 64}),
        ("key", {}),
        ("no_action", {}),
    ],
)
def test_an_entry_whose_digest_fits_but_that_nobody_could_have_written_is_named(
    ledger: Ledger, action: str, content: dict[str, object]
) -> None:
    entry = {"number": 4, "time": "2026-01-01", "action": action, "previous": ledger.entries()[-1]["digest"], **content}
    entry["digest"] = digest_of_text(canonical_json(entry))
    ledger.path.write_text(ledger.path.read_text() + json.dumps(entry, sort_keys=True) + "\n")
    with pytest.raises(InputError, match="line 4 of the ledger was changed, removed or put in"):
        ledger.entries()


def test_a_signature_in_a_registry_without_a_key_was_put_in(ledger: Ledger) -> None:
    lines = ledger.path.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "signature": "00"}, sort_keys=True)
    ledger.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 1 of the ledger is signed, before the registry had a key"):
        ledger.entries()


def test_a_ledger_that_was_emptied_or_removed_is_noticed(ledger: Ledger) -> None:
    ledger.path.write_text("")
    with pytest.raises(InputError, match="its ledger is empty"):
        ledger.entries()
    ledger.path.unlink()
    with pytest.raises(InputError, match="its ledger was removed"):
        ledger.entries()


def test_an_end_that_was_cut_off_shows_beside_a_copy_of_the_last_digest_only(ledger: Ledger) -> None:
    last = ledger.entries()[-1]["digest"]
    lines = ledger.path.read_text().splitlines(keepends=True)
    ledger.path.write_text("".join(lines[:2]))
    assert ledger.entries()[-1]["digest"] != last


def test_a_pointer_one_step_behind_is_mended_and_any_other_is_named(ledger: Ledger) -> None:
    with ledger.writing() as entries:
        ledger.append(entries, "promote", **promoted("3"))
    pointer = ledger.folder / "champion"
    pointer.write_text("1" * 64 + "\n")
    assert ledger.mend() == ["champion"]
    assert pointer.read_text() == "3" * 64 + "\n"
    assert ledger.mend() == []
    pointer.unlink()
    assert ledger.mend() == []
    assert len(ledger.behind(ledger.entries())) == 1


def test_a_pointer_without_a_champion_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with ledger.writing() as entries:
        ledger.append(entries, "look", **LOOK)
    (tmp_path / "champion").write_text("1" * 64 + "\n")
    assert ledger.behind(ledger.entries()) == [f"registry {tmp_path}: `champion` is not what the ledger says it is"]
