"""A registry with a key: every line is signed, and who lacks the key can neither write nor rebuild a line."""

import builtins
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from tests.validation.cases import Candidate
from validation.keys import is_signed, load_key, make_key, public_text, sign
from validation.ledger import Entry, Ledger
from validation.registry import Registry

Make = Callable[..., Candidate]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Ledger:
    """An unsigned entry, the key, and a signed one."""
    ledger = Ledger(tmp_path / "registry")
    with ledger.writing() as entries:
        ledger.append(entries, "look", held_out="a" * 64, model="1")
    ledger.introduce_key(key)
    ledger = replace(ledger, key=key)
    with ledger.writing() as entries:
        ledger.append(entries, "look", held_out="a" * 64, model="2")
    return ledger


def rebuilt(entries: list[Entry], **signatures: str) -> bytes:
    """The lines of a ledger whose chain fits again, as somebody without the key can make them."""
    lines, previous = b"", "0" * 64
    for number, entry in enumerate(entries, start=1):
        body = {key: value for key, value in entry.items() if key not in ("digest", "signature")} | {
            "previous": previous,
            "number": number,
        }
        previous = digest_of_text(canonical_json(body))
        kept = {"signature": entry["signature"]} if "signature" in entry else {}
        lines += json.dumps({**body, "digest": previous, **kept, **signatures}, sort_keys=True).encode() + b"\n"
    return lines


def test_entries_are_signed_from_the_key_on(signed: Ledger, key: Path) -> None:
    entries = signed.entries()
    assert ["signature" in entry for entry in entries] == [False, True, True]
    assert (signed.folder / "public_key.pem").read_text() == entries[1]["public_key"] == public_text(load_key(key))
    assert signed.behind(entries) == []


def test_a_signature_is_that_of_rfc_8032() -> None:
    secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # its section 7.1, test 1
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    signature = sign(key, "")
    assert signature == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b"
    )
    assert is_signed("", signature, public_text(key))
    assert not is_signed("text", signature, public_text(key))
    assert not is_signed("", signature.upper(), public_text(key))
    assert not is_signed("", None, public_text(key))
    assert not is_signed("", signature, "no key")


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(key: Path) -> None:
    make_key(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(InputError, match="a key is never overwritten"):
        make_key(key)
    assert key.read_bytes() == before
    with pytest.raises(InputError, match="its folder is not there"):
        make_key(key / "inside")


def test_a_key_that_could_not_be_introduced_is_not_left(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("validation.ledger.write_whole", fail)
    ledger = Ledger(tmp_path / "registry")
    with pytest.raises(OSError, match="no space"):
        ledger.introduce_key(key)
    assert not key.exists()
    assert ledger.entries() == []


def test_a_key_in_the_registry_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with pytest.raises(InputError, match="must not lie in the registry"):
        ledger.introduce_key(tmp_path / "key.pem")
    assert list(tmp_path.iterdir()) == []


def test_without_the_key_or_with_another_nothing_is_written(signed: Ledger, tmp_path: Path) -> None:
    make_key(tmp_path / "other.pem")
    (tmp_path / "text.pem").write_text("no key")
    refusals = {
        None: "is signed; give its private key by --key",
        tmp_path / "other.pem": r"other\.pem: is not the key of registry",
        tmp_path / "text.pem": r"text\.pem: is no Ed25519 private key",
        tmp_path / "none.pem": r"none\.pem: cannot be read \(No such file",
    }
    before = signed.path.read_bytes()
    for key, message in refusals.items():
        with pytest.raises(InputError, match=message), replace(signed, key=key).writing():
            pytest.fail("was opened for writing")
    assert signed.path.read_bytes() == before


def test_a_key_for_a_registry_without_one_is_refused(tmp_path: Path, key: Path) -> None:
    make_key(key)
    with pytest.raises(InputError, match=r"has no key that .*key\.pem could be"), Ledger(tmp_path, key).writing():
        pytest.fail("was opened for writing")


@pytest.mark.parametrize("number", [2, 3])
def test_who_lacks_the_key_cannot_change_a_line_even_with_a_fitting_chain(signed: Ledger, number: int) -> None:
    entries = signed.entries()
    entries[number - 1]["time"] = "2020-01-01T00:00:00+00:00"
    signed.path.write_bytes(rebuilt(entries))
    with pytest.raises(InputError, match=f"line {number} of the ledger is not signed with the registry's key"):
        signed.entries()


def test_who_lacks_the_key_cannot_add_remove_or_move_a_signed_line(signed: Ledger) -> None:
    first, introduced, last = signed.entries()
    forged = {**last, "model": "3"}
    for entries, line in [
        ([first, introduced, last, forged], 4),
        ([introduced, last], 1),
        ([first, introduced, last, last], 4),
    ]:
        signed.path.write_bytes(rebuilt(entries))
        with pytest.raises(InputError, match=f"line {line} of the ledger is not signed"):
            signed.entries()
    unsigned = {key: value for key, value in last.items() if key != "signature"}
    signed.path.write_bytes(rebuilt([first, introduced, unsigned]))
    with pytest.raises(InputError, match="line 3 of the ledger is not signed"):
        signed.entries()


def test_a_swapped_public_key_is_named(signed: Ledger, tmp_path: Path) -> None:
    make_key(tmp_path / "other.pem")
    (signed.folder / "public_key.pem").write_text(public_text(load_key(tmp_path / "other.pem")))
    assert "`public_key.pem` is not what the ledger says" in signed.behind(signed.entries())[0]


def test_a_later_key_is_introduced_by_the_one_before(signed: Ledger, key: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give its private key"):
        replace(signed, key=None).introduce_key(tmp_path / "later.pem")
    assert not (tmp_path / "later.pem").exists()
    signed.introduce_key(tmp_path / "later.pem")
    with pytest.raises(InputError, match="is not the key of registry"), signed.writing():
        pytest.fail("was opened for writing")
    later = replace(signed, key=tmp_path / "later.pem")
    with later.writing() as entries:
        later.append(entries, "look", held_out="a" * 64, model="3")
    assert len(later.entries()) == 5
    assert later.behind(later.entries()) == []


def test_a_champion_of_a_signed_registry_is_promoted_and_verified(registry: Registry, judged: Make, key: Path) -> None:
    first, second = judged(), judged("second")
    registry.ledger.introduce_key(key)
    with pytest.raises(InputError, match="give its private key"):
        registry.promote(first.decision, first.bundle)
    assert not registry.bundle(first.digest).exists()
    signing = replace(registry, key=key)
    for made in (first, second):
        signing.promote(made.decision, made.bundle)
    signing.rollback()
    assert [entry["action"] for entry in registry.verify()] == ["key", "promote", "promote", "rollback"]


def test_without_the_package_a_signed_registry_says_what_it_needs(
    signed: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: object) -> object:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install '\.\[signing\]'"):
        signed.entries()
