"""Tampering: any changed byte of any file of a registry is noticed, and what was changed is named."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cohorts.errors import InputError
from lightning_modules.manifest import verify_bundle
from tests.validation.cases import make_candidate
from validation.decision import read_decision
from validation.ledger import Ledger
from validation.looks import look, record_outcome
from validation.registry import Registry
from validation.sign_offs import sign_off, today, waive

MASKS = (0x01, 0x20, 0x80)  # another digit or letter, another case, no ASCII


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry in which everything has happened that can: an entry of each kind, the last a sign-off."""
    folder = tmp_path_factory.mktemp("recorded")
    ledger, key = Ledger(folder / "registry"), folder / "key.pem"
    good, weak = make_candidate(folder, "good"), make_candidate(folder, "weak", num_subjects=60)
    decision = read_decision(weak.decision)
    look(ledger, held_out="a" * 64, model=good.digest)
    record_outcome(ledger, held_out="a" * 64, decision=read_decision(good.decision))
    ledger.introduce_key(key)
    registry = Registry(ledger.folder, verify_bundle, key)
    registry.promote(good.decision, good.bundle)
    tomorrow = today().replace(year=today().year + 1, month=1, day=1)
    waive(registry.ledger, decision, reason="rare", signers=["Ada", "Grace"], expires=str(tomorrow))
    registry.promote(weak.decision, weak.bundle)
    registry.rollback()
    sign_off(registry.ledger, decision, name="Ada", role="owner", note="seen")
    registry.verify()
    return replace(registry, key=None)


@pytest.fixture
def registry(recorded: Registry, tmp_path: Path) -> Registry:
    """A copy, to be tampered with."""
    return replace(recorded, folder=Path(shutil.copytree(recorded.folder, tmp_path / "registry")))


def changed(file: Path, positions: Iterator[int] | range) -> Iterator[int]:
    """Change a file at each position in turn, in several ways; it is itself again afterwards."""
    content = file.read_bytes()
    for position in positions:
        for mask in MASKS:
            file.write_bytes(content[:position] + bytes([content[position] ^ mask]) + content[position + 1 :])
            yield position
    file.write_bytes(content)


def test_every_kind_of_file_and_of_entry_is_there(registry: Registry) -> None:
    kinds = {file.name for file in registry.folder.rglob("*") if file.is_file()}
    followers = {"ledger.jsonl", "champion", "public_key.pem", ".lock"}
    assert kinds == followers | {"weights.safetensors", "bundle.json", "manifest.json", "decision.json", "report.html"}
    actions = {entry["action"] for entry in registry.history()}
    assert actions == {"look", "judged", "key", "promote", "waiver", "rollback", "sign_off"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weights.safetensors", r"weights\.safetensors is not what its manifest says"),
        ("bundle.json", r"bundle\.json is not what its manifest says"),
        ("manifest.json", "manifest"),
        ("decision.json", r"decision\.json: is missing or was changed"),
        ("report.html", r"report\.html: is missing or was changed"),
        ("champion", "`champion` is not what the ledger says"),
        ("public_key.pem", r"`public_key\.pem` is not what the ledger says"),
    ],
)
def test_a_changed_byte_of_a_file_is_named(registry: Registry, name: str, said: str) -> None:
    for file in registry.folder.rglob(name):
        size = file.stat().st_size
        for _ in changed(file, range(0, size, max(1, size // 7))):
            with pytest.raises(InputError, match=said) as caught:
                registry.verify()
            folder = file.parent.name if file.parent != registry.folder else str(registry.folder)
            assert all(folder in problem for problem in caught.value.problems)
    registry.verify()


def test_a_changed_byte_of_the_ledger_is_named_by_its_line(registry: Registry) -> None:
    ends = [number for number, byte in enumerate(registry.ledger.path.read_bytes()) if byte == ord("\n")]
    assert len(ends) == 8
    start = 0
    for line, end in enumerate(ends, start=1):
        for _ in changed(registry.ledger.path, iter([*range(start, end, 29), end - 1, end])):
            with pytest.raises(InputError, match=f"line {line} of the ledger"):
                registry.verify()
        start = end + 1
    registry.verify()


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json", "decision.json", "report.html"])
def test_a_file_that_is_gone_is_named(registry: Registry, name: str) -> None:
    next(registry.folder.rglob(name)).unlink()
    with pytest.raises(InputError, match=name):
        registry.verify()


def test_all_that_was_changed_is_named_at_once(registry: Registry) -> None:
    for name in ("weights.safetensors", "report.html", "champion", "public_key.pem"):
        file = next(registry.folder.rglob(name))
        file.write_bytes(file.read_bytes() + b"!")
    with pytest.raises(InputError) as caught:
        registry.verify()
    assert len(caught.value.problems) == 4
