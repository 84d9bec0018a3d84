"""The registry: bundles by digest, a champion, and an append-only ledger whose lines hold the digest of the one before.

    registry/
      ledger.jsonl                 what happened, in order; the truth about who is champion
      champion                     the champion's digest, for people and other tools; follows the ledger
      bundles/<digest>/            promoted bundles
      decisions/<digest>/          why: decision.json and report.html

The chain shows what was changed, removed or put in; that its end was cut off shows only beside a copy of the last
digest, which `promote --verify` prints. Every change takes a lock, writes beside and renames. The ledger's rename is
the moment of a promotion: a kill before it leaves the old champion, one after it the new one, whose pointer the next
call mends.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cohorts.errors import InputError, raise_if
from cohorts.files import canonical_json, digest_of_file, digest_of_text, whole_folder, write_whole
from validation.decision import check_against_predictions, read_decision, reasons
from validation.report import render

START = "0" * 64


class Refused(Exception):
    """A promotion that the decision does not allow.

    Attributes:
        verdict: FAIL, INSUFFICIENT or ERROR.
        reasons: One sentence each.
    """

    def __init__(self, verdict: str, reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.verdict, self.reasons = verdict, reasons


@dataclass(frozen=True)
class Registry:
    """A registry folder.

    Attributes:
        folder: Made at the first promotion.
        verify_bundle: Checks a bundle folder against its manifest and returns its digest, or raises InputError.
    """

    folder: Path
    verify_bundle: Callable[[Path], str]

    @property
    def ledger(self) -> Path:
        """Path of the ledger."""
        return self.folder / "ledger.jsonl"

    def history(self) -> list[dict[str, Any]]:
        """The ledger's entries, oldest first.

        Raises:
            InputError: A line was changed, removed or put in; the first such line is named.
        """
        if not self.exists:
            raise InputError(
                f"registry {self.folder}: has no ledger; promote something first, or give another --registry"
            )
        entries, previous = [], START
        for number, line in enumerate(self.ledger.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                entry = json.loads(line)
                body = {key: value for key, value in entry.items() if key != "digest"}
                whole = entry["previous"] == previous and entry["digest"] == _digest(body)
            except (ValueError, KeyError, TypeError, AttributeError):
                whole = False
            if not whole:
                raise InputError(f"registry {self.folder}: line {number} of the ledger was changed, removed or put in")
            entries.append(entry)
            previous = entry["digest"]
        if not entries:
            raise InputError(f"registry {self.folder}: its ledger is empty, so its lines were removed")
        return entries

    def champion_bundle(self) -> Path | None:
        """Folder of the champion's bundle, verified; None before the first promotion.

        Raises:
            InputError: Ledger or bundle were changed.
        """
        champion = self.champion()
        if champion is None:
            return None
        raise_if(self._broken(champion))
        return self.bundle(champion["bundle"])

    def champion(self) -> dict[str, Any] | None:
        """The ledger's entry of the present champion, or None before the first promotion."""
        return self.history()[-1] if self.exists else None

    @property
    def exists(self) -> bool:
        """Whether the folder is a registry."""
        return self.ledger.is_file()

    def bundle(self, digest: str) -> Path:
        """Folder of a promoted bundle."""
        return self.folder / "bundles" / digest

    def _why(self, digest: str) -> Path:
        """Folder of the decision and the report behind a promotion."""
        return self.folder / "decisions" / digest

    def promote(self, decision_path: Path, model: Path) -> dict[str, Any]:
        """Make the judged bundle the champion.

        Args:
            decision_path: A decision.json, with report.html and predictions.parquet beside it.
            model: Folder of the bundle that it judges.

        Returns:
            The new ledger entry, or the present one where this decision made the champion already.

        Raises:
            Refused: The decision's verdict is not PASS.
            InputError: Decision, report or bundle were changed, or do not belong together.
        """
        decision = read_decision(decision_path)
        report = decision_path.with_name("report.html")
        raise_if(
            self._mismatches(decision, report, model)
            + check_against_predictions(decision, decision_path.with_name("predictions.parquet"))
        )
        if decision["verdict"] != "PASS":
            raise Refused(decision["verdict"], reasons(decision))
        digest = decision["model"]["digest"]
        with self._locked():
            champion = self.champion()
            if champion and champion["decision"] == decision["digest"]:
                self._point_to(champion)
                return champion
            if not self.bundle(digest).exists():
                with whole_folder(self.bundle(digest)) as beside:
                    shutil.copytree(model, beside, dirs_exist_ok=True)
            if self.verify_bundle(self.bundle(digest)) != digest:
                raise InputError(f"bundle {self.bundle(digest)}: is another one than its name says; remove it")
            why = self._why(decision["digest"])
            if not why.exists():
                with whole_folder(why) as beside:
                    for file in (decision_path, report):
                        shutil.copy(file, beside / file.name)
            files = {file.name: digest_of_file(why / file.name) for file in (decision_path, report)}
            return self._append("promote", bundle=digest, decision=decision["digest"], files=files)

    def rollback(self) -> dict[str, Any]:
        """Make the champion before the present one champion again.

        Raises:
            InputError: There is none, or its bundle or decision was changed since.
        """
        self.history()  # before the lock, which would make the folder
        with self._locked():
            entries = self.history()
            others = [entry for entry in entries if entry["bundle"] != entries[-1]["bundle"]]
            if not others:
                raise InputError(f"registry {self.folder}: has had one champion only, so there is none to go back to")
            raise_if(self._broken(others[-1]))
            kept = {key: others[-1][key] for key in ("bundle", "decision", "files")}
            return self._append("rollback", **kept)

    def verify(self) -> list[dict[str, Any]]:
        """Check everything again: the chain, each bundle, each decision, and the pointer.

        Returns:
            The ledger's entries.

        Raises:
            InputError: With everything that is broken, each named.
        """
        entries = self.history()
        distinct = {(entry["bundle"], entry["decision"]): entry for entry in entries}
        problems = list(dict.fromkeys(problem for entry in distinct.values() for problem in self._broken(entry)))
        pointer = self.folder / "champion"
        champion = entries[-1]["bundle"]
        if not pointer.is_file() or pointer.read_text(encoding="utf-8") != champion + "\n":
            problems.append(f"registry {self.folder}: `champion` does not name {champion[:12]}, as the ledger does")
        raise_if(problems)
        return entries

    def _mismatches(self, decision: Mapping[str, Any], report: Path, model: Path) -> list[str]:
        try:
            digest = self.verify_bundle(model)
        except InputError as error:
            return error.problems
        problems = []
        if digest != decision["model"]["digest"]:
            problems.append(
                f"model {model}: is the bundle {digest[:12]}, but {decision['model']['digest'][:12]} was judged; "
                "give that one with --model"
            )
        if not report.is_file():
            problems.append(f"report {report}: is missing; it belongs beside the decision, so validate again")
        elif report.read_text(encoding="utf-8") != render(decision):
            problems.append(f"report {report}: is not the report of this decision; validate again")
        return problems

    def _broken(self, entry: Mapping[str, Any]) -> list[str]:
        problems = []
        try:
            if self.verify_bundle(self.bundle(entry["bundle"])) != entry["bundle"]:
                problems.append(f"bundle {self.bundle(entry['bundle'])}: its manifest was changed")
        except InputError as error:
            problems += error.problems
        for name, digest in entry["files"].items():
            file = self._why(entry["decision"]) / name
            if not file.is_file() or digest_of_file(file) != digest:
                problems.append(f"{file}: is missing or was changed since its promotion")
        return problems

    def _append(self, action: str, **content: Any) -> dict[str, Any]:
        entries = self.history() if self.exists else []
        entry = {
            "number": len(entries) + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "action": action,
            "previous": entries[-1]["digest"] if entries else START,
            **content,
        }
        entry["digest"] = _digest(entry)
        lines = [json.dumps(line, sort_keys=True) + "\n" for line in [*entries, entry]]
        write_whole(self.ledger, "".join(lines))
        self._point_to(entry)
        return entry

    def _point_to(self, entry: Mapping[str, Any]) -> None:
        write_whole(self.folder / "champion", entry["bundle"] + "\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _digest(entry: Mapping[str, Any]) -> str:
    return digest_of_text(canonical_json(entry))
