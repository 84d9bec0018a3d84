"""The registry: bundles by digest, a champion, and why it is one.

    registry/
      ledger.jsonl                 what happened, in order; the truth about who is champion (`validation.ledger`)
      champion                     the champion's digest, for people and other tools; follows the ledger
      public_key.pem               the key that signs the ledger, where there is one
      bundles/<digest>/            promoted bundles
      decisions/<digest>/          why: decision.json and report.html

A bundle and a decision are in their places, whole, before the ledger names them. What nothing here protects against is
a judge that was changed before it judged, and a clock that was set: a waiver expires by that of this machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohorts.errors import InputError, raise_if
from cohorts.files import digest_of_file, read_json, whole_folder, write_whole
from validation.candidate import check_comparison, check_look, read_candidate
from validation.decision import reasons
from validation.ledger import Entry, Ledger, champions
from validation.sign_offs import expired, waiver_for

DECISION, REPORT = "decision.json", "report.html"


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
        folder: Made when something is first written.
        verify_bundle: Checks a bundle folder against its manifest and returns its digest, or raises InputError.
        key: File of the private key, to write into a registry that has one.
    """

    folder: Path
    verify_bundle: Callable[[Path], str]
    key: Path | None = None

    @property
    def ledger(self) -> Ledger:
        """What happened here."""
        return Ledger(self.folder, self.key)

    def history(self) -> list[Entry]:
        """The ledger's entries, oldest first.

        Raises:
            InputError: There are none; or a line was changed, removed or put in, and the first such line is named.
        """
        entries = self.ledger.entries()
        if not entries:
            raise InputError(
                f"registry {self.folder}: has no ledger; promote something first, or give another --registry"
            )
        return entries

    def champion(self) -> Entry | None:
        """The ledger's entry of the present champion, or None before the first promotion."""
        return _last(champions(self.ledger.entries()))

    def champion_bundle(self) -> Path | None:
        """Folder of the champion's bundle, verified; None before the first promotion.

        Raises:
            InputError: Ledger, bundle or decision were changed.
        """
        champion = self.champion()
        if champion is None:
            return None
        raise_if(self._broken(champion))
        return self.bundle(champion["bundle"])

    def bundle_in_use(self) -> Path | None:
        """Folder of the champion's bundle, to score people with: verified, and passed or waived to this day.

        Raises:
            InputError: As `champion_bundle`; or the champion's waiver has expired.
        """
        bundle = self.champion_bundle()
        raise_if(self._without_grounds(self.ledger.entries()))
        return bundle

    def champion_decision(self) -> dict[str, Any]:
        """The decision that made the present champion, of which there must be one."""
        champion = self.champion()
        assert champion is not None
        return dict(self._decision(champion))

    def bundle(self, digest: str) -> Path:
        """Folder of a promoted bundle."""
        return self.folder / "bundles" / digest

    def promote(self, decision_path: Path, model: Path) -> Entry:
        """Make the judged bundle the champion.

        Args:
            decision_path: A decision.json, with report.html and predictions.parquet beside it.
            model: Folder of the bundle that it judges.

        Returns:
            The new ledger entry, which names the waiver where it needed one; or the present entry, where this decision
            made the champion already.

        Raises:
            Refused: The verdict is not PASS, nor INSUFFICIENT with a waiver that holds.
            InputError: Decision, report or bundle were changed, or do not belong together; or the model was compared
                with another champion than the present one.
        """
        decision = read_candidate(decision_path, model, self.verify_bundle)
        _waiver_or_refusal(self.ledger.entries(), decision)  # before the lock, which would make the folder
        digest = decision["model"]["digest"]
        with self.ledger.writing() as entries:
            grounds = {"decision": decision["digest"], **_waiver_or_refusal(entries, decision)}
            champion = _last(champions(entries))
            if champion and grounds.items() <= champion.items():
                return champion
            check_comparison(decision, champion["bundle"] if champion else None)
            check_look(decision, entries)
            if not self.bundle(digest).exists():
                with whole_folder(self.bundle(digest)) as beside:
                    for file in filter(Path.is_file, model.iterdir()):
                        write_whole(beside / file.name, file.read_bytes())
            if self.verify_bundle(self.bundle(digest)) != digest:
                raise InputError(f"bundle {self.bundle(digest)}: is another one than its name says; remove it")
            files = self._keep(decision_path, decision["digest"])
            return self.ledger.append(entries, "promote", bundle=digest, files=files, **grounds)

    def rollback(self, note: str | None = None) -> Entry:
        """Make the champion before the present one, which passed or whose waiver still holds, champion again.

        Called twice it goes back twice: a champion that was rolled back comes back by a promotion alone.

        Args:
            note: Why, for the ledger; None where nobody says.

        Raises:
            InputError: There is none, or its bundle or decision was changed since.
        """
        self.history()  # before the lock, which would make the folder
        with self.ledger.writing() as entries:
            before = _standing(entries)
            if not before:
                raise InputError(f"registry {self.folder}: has no champion before the present one to go back to")
            for entry in reversed(before):
                raise_if(self._broken(entry))
                grounds = self._grounds(entries, entry)
                if grounds is not None:
                    kept = {key: entry[key] for key in ("bundle", "decision", "files")}
                    said = {} if note is None else {"note": note}
                    return self.ledger.append(entries, "rollback", **kept, **grounds, **said)
            raise InputError(
                f"registry {self.folder}: every other champion stood on a waiver that has expired, so there is none to "
                "go back to; waive again, or promote another model"
            )

    def verify(self) -> list[Entry]:
        """Check everything again: the chain, its signatures, each bundle, each decision, what follows the ledger, and
        that the champion passed or its waiver still holds.

        Returns:
            The ledger's entries.

        Raises:
            InputError: With everything that is broken, each named.
        """
        entries = self.history()
        made = champions(entries)
        distinct = {(entry["bundle"], entry["decision"]): entry for entry in made}
        broken = {entry["decision"]: self._broken(entry) for entry in distinct.values()}
        problems = list(dict.fromkeys(problem for found in broken.values() for problem in found))
        if made and not broken[made[-1]["decision"]]:
            problems += self._without_grounds(entries)
        raise_if(problems + self.ledger.behind(entries))
        return entries

    def _keep(self, decision_path: Path, digest: str) -> dict[str, str]:
        """Copy a decision and its report, byte for byte; the digests of both."""
        why = self._why(digest)
        given = {DECISION: decision_path, REPORT: decision_path.with_name(REPORT)}
        if not why.exists():
            with whole_folder(why) as beside:
                for name, file in given.items():
                    write_whole(beside / name, file.read_bytes())
        files = {name: digest_of_file(file) for name, file in given.items()}
        raise_if([f"{problem}; remove {why}" for problem in self._changed(digest, files)])
        return files

    def _changed(self, decision: str, files: Mapping[str, str]) -> list[str]:
        why = self._why(decision)
        kept = {name: digest_of_file(why / name) if (why / name).is_file() else None for name in files}
        return [f"{why / name}: is missing or was changed" for name in files if kept[name] != files[name]]

    def _why(self, digest: str) -> Path:
        """Folder of the decision and the report behind a promotion."""
        return self.folder / "decisions" / digest

    def _decision(self, entry: Entry) -> Any:
        return read_json(self._why(entry["decision"]) / DECISION, "a decision")

    def _grounds(self, entries: Sequence[Entry], entry: Entry) -> dict[str, str] | None:
        """What allows an earlier champion today: {} for a PASS, a waiver that holds, or None."""
        try:
            return _waiver_or_refusal(entries, self._decision(entry))
        except Refused:
            return None

    def _without_grounds(self, entries: Sequence[Entry]) -> list[str]:
        """The problem of a present champion that nothing allows any more; none where it may be used."""
        champion = _last(champions(entries))
        if champion is None or self._grounds(entries, champion) is not None:
            return []
        return [
            f"registry {self.folder}: the champion {champion['bundle'][:12]} did not pass, and no waiver for it "
            "holds any more; roll back, promote another model, or waive again and promote again"
        ]

    def _broken(self, entry: Entry) -> list[str]:
        problems = []
        bundle, why = self.bundle(entry["bundle"]), self._why(entry["decision"])
        try:
            if self.verify_bundle(bundle) != entry["bundle"]:
                problems.append(f"bundle {bundle}: its manifest was changed")
        except InputError as error:
            problems += error.problems
        if changed := self._changed(entry["decision"], entry["files"]):
            return problems + changed
        decision = self._decision(entry)
        if (decision["digest"], decision["model"]["digest"]) != (entry["decision"], entry["bundle"]):
            problems.append(f"{why}: is not the decision of entry {entry['number']} of the ledger")
        return problems


def _waiver_or_refusal(entries: Sequence[Entry], decision: Mapping[str, Any]) -> dict[str, str]:
    """The digest of the waiver that a decision needs and has; nothing for a PASS, which needs none.

    Raises:
        Refused: It needs one, and has none that holds.
    """
    if decision["verdict"] == "PASS":
        return {}
    waiver = waiver_for(entries, decision)
    if waiver is None:
        raise Refused(decision["verdict"], reasons(decision))
    if expired(waiver):
        over = f"its waiver, entry {waiver['number']} of the ledger, has expired on {waiver['expires']}"
        raise Refused(decision["verdict"], [*reasons(decision), over])
    return {"waiver": waiver["digest"]}


def _standing(entries: Sequence[Entry]) -> list[Entry]:
    """Champions before the present one, oldest first, without those that were rolled back since."""
    standing: list[Entry] = []
    for entry in champions(entries):
        if entry["action"] == "promote":
            standing.append(entry)
        while standing and standing[-1]["bundle"] != entry["bundle"]:
            standing.pop()
    return [entry for entry in standing if entry["bundle"] != standing[-1]["bundle"]]


def _last(entries: Sequence[Entry]) -> Entry | None:
    return entries[-1] if entries else None
