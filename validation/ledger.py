"""The ledger of a registry: one line of JSON for all that happened, each with the digest of the line before.

    ledger.jsonl       the truth: every line, in order
    champion           the champion's digest, for people and other tools; follows the ledger
    public_key.pem     the key that signs the lines, where there is one; follows the ledger

The chain shows a byte that was changed and a line that was removed, put in or moved. It does not show an end that was
cut off, nor a ledger that was written anew from its first line: the first shows beside a copy of the last digest, which
`promote --verify` prints; the second is impossible without the private key, once there is one (`validation.keys`).

Every change takes a lock, writes beside and renames. The rename of the ledger is the moment at which something has
happened: a kill before it leaves the old state, one after it the new one, and a file that had no time to follow is
mended by the next call.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text, write_whole
from validation.keys import is_signed, load_key, make_key, public_text, sign

START = "0" * 64
CHAMPION, PUBLIC_KEY = "champion", "public_key.pem"
Entry = dict[str, Any]
JUDGED: dict[str, type | UnionType] = {"decision": str, "bundle": str, "verdict": str}
FIELDS: dict[str, dict[str, type | UnionType]] = {
    "promote": {"bundle": str, "decision": str, "files": dict},
    "rollback": {"bundle": str, "decision": str, "files": dict},
    "sign_off": {**JUDGED, "name": str, "role": str, "note": str},
    "waiver": {**JUDGED, "reason": str, "signers": list, "expires": str},
    "look": {"held_out": str, "model": str},
    "judged": {"held_out": str, "model": str, "decision": str, "verdict": str, "auroc": dict | None},
    "key": {"public_key": str},
}  # what is read of an entry, besides its number, its time and the digests of the chain


@dataclass(frozen=True)
class Ledger:
    """The ledger of a registry's folder.

    Attributes:
        folder: Made when something is first written.
        key: File of the private key, to write into a registry that has one.
    """

    folder: Path
    key: Path | None = None

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / "ledger.jsonl"

    def entries(self) -> list[Entry]:
        """All entries, oldest first; none where nothing has happened yet.

        Raises:
            InputError: A line was changed, removed or put in, or is not signed as it must be; the first one is named.
        """
        if not self.path.is_file():
            if (self.folder / CHAMPION).exists() or (self.folder / PUBLIC_KEY).exists():
                raise InputError(f"registry {self.folder}: its ledger was removed")
            return []
        entries: list[Entry] = []
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"registry {self.folder}: line {number} of the ledger"
                entry = _read(line, entries[-1]["digest"] if entries else START)
                if entry is None:
                    raise InputError(f"{where} was changed, removed or put in")
                public = public_key(entries) or public_key([entry])  # the first key signs its own entry
                if public and not is_signed(entry["digest"], entry.get("signature"), public):
                    raise InputError(f"{where} is not signed with the registry's key, so somebody without it wrote it")
                if not public and "signature" in entry:
                    raise InputError(f"{where} is signed, before the registry had a key; it was changed")
                entries.append(entry)
        if not entries:
            raise InputError(f"registry {self.folder}: its ledger is empty, so its lines were removed")
        return entries

    @contextmanager
    def writing(self) -> Iterator[list[Entry]]:
        """Hold the lock, and mend what a killed call left; gives the entries as they are now.

        Raises:
            InputError: The registry is signed and its key was not given, or another one was.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = self.entries()
            self._check_key(entries)
            self._mend(entries)
            yield entries

    def append(self, entries: Sequence[Entry], action: str, **content: Any) -> Entry:
        """Write one more entry; only while `writing`, whose entries are given here."""
        entry = {
            "number": len(entries) + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "action": action,
            "previous": entries[-1]["digest"] if entries else START,
            **content,
        }
        entry["digest"] = digest_of_text(canonical_json(entry))
        if self.key:
            entry["signature"] = sign(load_key(self.key), entry["digest"])
        now = [*entries, entry]
        write_whole(self.path, b"".join(map(_line, now)))
        self._mend(now)
        return entry

    def introduce_key(self, file: Path) -> Entry:
        """Make a key; from its own entry on, every entry is signed. A later key is introduced by the one before.

        Args:
            file: Where to write the private key. Keep it, and away from the registry: without it, nothing can be
                written any more.

        Raises:
            InputError: There is such a file, it lies in the registry, or the key of a signed registry was not given.
        """
        if file.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(f"key {file}: must not lie in the registry, whose changes it is to show")
        with self.writing() as entries:
            make_key(file)
            try:
                signing = replace(self, key=self.key or file)
                return signing.append(entries, "key", public_key=public_text(load_key(file)))
            except BaseException:
                if self.entries() == entries:
                    file.unlink()
                raise

    def mend(self) -> list[str]:
        """Let the files that follow the ledger catch up where a killed call left them one behind.

        Returns:
            Their names; a file that holds anything else is left as it is, for `behind` to name.
        """
        if not self._lagging(self.entries()):
            return []
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._mend(self.entries())

    def behind(self, entries: Sequence[Entry]) -> list[str]:
        """Problems of the files that follow the ledger, each named."""
        held = {name: texts[-1] if texts else None for name, texts in _followers(entries).items()}
        wrong = [name for name, text in held.items() if self._content(name) != text]
        return [f"registry {self.folder}: `{name}` is not what the ledger says it is" for name in wrong]

    def _lagging(self, entries: Sequence[Entry]) -> dict[str, str]:
        lagging, last = {}, _followers(entries[-1:])
        for name, texts in _followers(entries).items():
            if not last[name]:
                continue  # a kill leaves behind what the last entry changed, and nothing else
            before = texts[-2] if len(texts) > 1 else None
            if texts and self._content(name) == before != texts[-1]:
                lagging[name] = texts[-1]
        return lagging

    def _mend(self, entries: Sequence[Entry]) -> list[str]:
        lagging = self._lagging(entries)
        for name, text in lagging.items():
            write_whole(self.folder / name, text)
        return list(lagging)

    def _content(self, name: str) -> str | None:
        file = self.folder / name
        return file.read_bytes().decode(errors="replace") if file.is_file() else None

    def _check_key(self, entries: Sequence[Entry]) -> None:
        public = public_key(entries)
        if self.key and public is None:
            raise InputError(f"registry {self.folder}: has no key that {self.key} could be; give it one by --make-key")
        if public and self.key is None:
            raise InputError(f"registry {self.folder}: is signed; give its private key by --key")
        if self.key and public_text(load_key(self.key)) != public:
            raise InputError(f"key {self.key}: is not the key of registry {self.folder}; give that one by --key")


def champions(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that made a champion, oldest first; the last one made the present one."""
    return [entry for entry in entries if entry["action"] in ("promote", "rollback")]


def public_key(entries: Sequence[Entry]) -> str | None:
    """The key, as PEM, that must sign the next entry; None where there is none yet."""
    return next((entry["public_key"] for entry in reversed(entries) if entry["action"] == "key"), None)


def _followers(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """What each file that follows the ledger has held, oldest first."""
    return {
        CHAMPION: [entry["bundle"] + "\n" for entry in champions(entries)],
        PUBLIC_KEY: [entry["public_key"] for entry in entries if entry["action"] == "key"],
    }


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, sort_keys=True).encode() + b"\n"


def _read(line: bytes, previous: str) -> Entry | None:
    """An entry that is byte for byte what was written after the one before; None where it is not."""
    try:
        entry = json.loads(line)
        body = {key: value for key, value in entry.items() if key not in ("digest", "signature")}
        fits = entry["previous"] == previous and entry["digest"] == digest_of_text(canonical_json(body))
        fields = {"number": int, "time": str, **FIELDS[entry["action"]]}
        whole = all(isinstance(entry[name], kind) for name, kind in fields.items())
        return entry if fits and whole and line == _line(entry) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
