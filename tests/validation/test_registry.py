"""The registry: only PASS gets in, every change is noticed, and a kill leaves the old state or the new one."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from lightning_modules.manifest import verify_bundle
from tests.validation.cases import Candidate
from validation.registry import Refused, Registry
from validation.report import render

Make = Callable[..., Candidate]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry", verify_bundle)


def flip(file: Path, position: int = -5) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))


def test_a_pass_is_promoted_and_can_be_verified(registry: Registry, candidate: Make) -> None:
    first = candidate()
    entry = registry.promote(first.decision, first.bundle)
    assert registry.champion() == entry == registry.verify()[-1]
    assert (registry.folder / "champion").read_text().strip() == first.digest
    assert verify_bundle(registry.bundle(first.digest)) == first.digest


def test_promoting_again_changes_nothing(registry: Registry, candidate: Make) -> None:
    first = candidate()
    assert registry.promote(first.decision, first.bundle) == registry.promote(first.decision, first.bundle)
    assert len(registry.history()) == 1


@pytest.mark.parametrize(
    ("changes", "verdict"), [({"separation": 0.0}, "FAIL"), ({"num_subjects": 60}, "INSUFFICIENT")]
)
def test_anything_but_pass_is_refused_with_every_reason(
    registry: Registry, candidate: Make, changes: dict, verdict: str
) -> None:
    bad = candidate(**changes)
    with pytest.raises(Refused) as caught:
        registry.promote(bad.decision, bad.bundle)
    assert caught.value.verdict == verdict
    stored = json.loads(bad.decision.read_text())["findings"]
    assert len(caught.value.reasons) == sum(finding["verdict"] != "PASS" for finding in stored) > 1
    assert not registry.exists


def test_a_changed_byte_in_bundle_or_decision_is_noticed_and_named(registry: Registry, candidate: Make) -> None:
    first = candidate()
    flip(first.bundle / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights\.safetensors is not what its manifest says"):
        registry.promote(first.decision, first.bundle)
    second = candidate("second")
    text = second.decision.read_text()
    second.decision.write_text(text.replace('"owner": "somebody"', '"owner": "nobody!!"'))
    with pytest.raises(InputError) as caught:
        registry.promote(second.decision, second.bundle)
    assert "was changed after it was written" in str(caught.value)
    assert "its policy was changed" in str(caught.value)


def test_a_forged_verdict_is_noticed_even_with_a_fitting_digest(registry: Registry, candidate: Make) -> None:
    bad = candidate(separation=0.0)
    decision = json.loads(bad.decision.read_text())
    decision["verdict"] = "PASS"
    for finding in decision["findings"]:
        finding["verdict"] = "PASS"
    body = {key: value for key, value in decision.items() if key != "digest"}
    bad.decision.write_text(canonical_json({**body, "digest": digest_of_text(canonical_json(body))}))
    with pytest.raises(InputError, match="says PASS, but its own numbers say FAIL"):
        registry.promote(bad.decision, bad.bundle)


def forge(candidate: Candidate, change: Callable[[dict], None]) -> None:
    """Change a decision and give it a fitting digest and a fitting report."""
    decision = json.loads(candidate.decision.read_text())
    change(decision)
    body = {key: value for key, value in decision.items() if key != "digest"}
    forged = {**body, "digest": digest_of_text(canonical_json(body))}
    candidate.decision.write_text(canonical_json(forged))
    candidate.decision.with_name("report.html").write_text(render(forged))


def test_forged_numbers_do_not_follow_from_the_predictions(registry: Registry, candidate: Make) -> None:
    bad = candidate(separation=0.0)

    def pass_everything(decision: dict) -> None:
        decision["verdict"] = "PASS"
        for finding in decision["findings"]:
            finding["verdict"] = "PASS"
            if finding["basis"] == "bounds":
                finding["lower"] = 0.99

    forge(bad, pass_everything)
    with pytest.raises(InputError, match="its findings do not follow from its predictions"):
        registry.promote(bad.decision, bad.bundle)


def test_other_predictions_or_another_report_are_noticed(registry: Registry, candidate: Make) -> None:
    first, second, third = candidate(), candidate("second"), candidate("third")
    first.decision.with_name("report.html").write_text("<h1>PASS</h1>")
    with pytest.raises(InputError, match="is not the report of this decision"):
        registry.promote(first.decision, first.bundle)
    flip(second.decision.with_name("predictions.parquet"))
    with pytest.raises(InputError, match="are not those that were judged"):
        registry.promote(second.decision, second.bundle)
    third.decision.with_name("predictions.parquet").unlink()
    with pytest.raises(InputError, match="are missing; they belong beside the decision"):
        registry.promote(third.decision, third.bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(findings=None),
        lambda d: d["findings"][1].update(lower="high"),
        lambda d: d["findings"][1].update(surprise=1),
        lambda d: d.pop("findings"),
    ],
)
def test_a_decision_that_is_none_is_one_clear_error(registry: Registry, candidate: Make, change: Callable) -> None:
    first = candidate()
    decision = json.loads(first.decision.read_text())
    change(decision)
    first.decision.write_text(json.dumps(decision))
    with pytest.raises(InputError, match="cannot be read as a decision"):
        registry.promote(first.decision, first.bundle)


def test_a_nan_in_a_decision_is_one_clear_error(registry: Registry, candidate: Make) -> None:
    first = candidate()
    first.decision.write_text(first.decision.read_text().replace('"threshold": 0.7,', '"threshold": NaN,', 1))
    with pytest.raises(InputError, match="cannot be read as a decision"):
        registry.promote(first.decision, first.bundle)


def test_another_bundle_in_the_champions_place_is_noticed(registry: Registry, candidate: Make) -> None:
    first, second = candidate(), candidate("second")
    registry.promote(first.decision, first.bundle)
    shutil.rmtree(registry.bundle(first.digest))
    shutil.copytree(second.bundle, registry.bundle(first.digest))
    for call in (registry.verify, registry.champion_bundle):
        with pytest.raises(InputError, match="its manifest was changed"):
            call()


def test_a_bundle_that_was_not_judged_is_refused(registry: Registry, candidate: Make) -> None:
    first, second = candidate(), candidate("second")
    with pytest.raises(InputError, match=f"is the bundle {second.digest[:12]}, but {first.digest[:12]} was judged"):
        registry.promote(first.decision, second.bundle)


def test_rollback_goes_to_the_champion_before_and_is_recorded(registry: Registry, candidate: Make) -> None:
    first, second = candidate(), candidate("second")
    registry.promote(first.decision, first.bundle)
    with pytest.raises(InputError, match="has had one champion only"):
        registry.rollback()
    registry.promote(second.decision, second.bundle)
    assert registry.rollback()["bundle"] == first.digest
    assert [entry["action"] for entry in registry.verify()] == ["promote", "promote", "rollback"]


def test_rollback_refuses_a_champion_that_was_changed_since(registry: Registry, candidate: Make) -> None:
    first, second = candidate(), candidate("second")
    registry.promote(first.decision, first.bundle)
    registry.promote(second.decision, second.bundle)
    flip(registry.bundle(first.digest) / "bundle.json")
    with pytest.raises(InputError, match=r"bundle\.json is not what its manifest says"):
        registry.rollback()
    assert registry.champion()["bundle"] == second.digest  # type: ignore[index]


@pytest.mark.parametrize("name", ["weights.safetensors", "bundle.json", "decision.json", "report.html"])
def test_verify_names_what_was_changed(registry: Registry, candidate: Make, name: str) -> None:
    first = candidate()
    registry.promote(first.decision, first.bundle)
    flip(next(registry.folder.rglob(name)))
    with pytest.raises(InputError, match=name):
        registry.verify()


def test_verify_names_the_first_broken_line_of_the_ledger(registry: Registry, candidate: Make) -> None:
    for name in ("first", "second", "third"):
        made = candidate(name)
        registry.promote(made.decision, made.bundle)
    lines = registry.ledger.read_text().splitlines(keepends=True)
    registry.ledger.write_text(lines[0] + lines[2])
    with pytest.raises(InputError, match="line 2 of the ledger"):
        registry.verify()
    registry.ledger.write_text(lines[0] + lines[1].replace("promote", "Promote") + lines[2])
    with pytest.raises(InputError, match="line 2 of the ledger"):
        registry.verify()
    registry.ledger.write_text(lines[0] + "not json\n")
    with pytest.raises(InputError, match="line 2 of the ledger"):
        registry.verify()


def test_a_pointer_that_was_moved_by_hand_is_noticed_and_does_not_count(registry: Registry, candidate: Make) -> None:
    first = candidate()
    registry.promote(first.decision, first.bundle)
    (registry.folder / "champion").write_text("0" * 64)
    with pytest.raises(InputError, match="`champion` does not name"):
        registry.verify()
    assert registry.champion()["bundle"] == first.digest  # type: ignore[index]


def test_a_registry_that_is_not_there_is_an_error(registry: Registry) -> None:
    for call in (registry.history, registry.verify, registry.rollback):
        with pytest.raises(InputError, match="has no ledger"):
            call()
    assert registry.champion() is None
    assert not registry.folder.exists()


def test_an_emptied_ledger_is_noticed(registry: Registry, candidate: Make) -> None:
    first = candidate()
    registry.promote(first.decision, first.bundle)
    registry.ledger.write_text("")
    with pytest.raises(InputError, match="its ledger is empty"):
        registry.verify()


def _promote_and_die(folder: Path, decision: Path, bundle: Path, dies_at: int) -> None:
    """Promote in this process, which kills itself at the n-th rename."""
    rename, count = os.replace, 0

    def replace(source: object, target: object) -> None:
        nonlocal count
        count += 1
        if count == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)  # type: ignore[arg-type]

    os.replace = replace  # type: ignore[assignment]
    Registry(folder, verify_bundle).promote(decision, bundle)


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_kill_before_any_rename_leaves_the_old_champion_or_the_new_one(
    registry: Registry, candidate: Make, dies_at: int
) -> None:
    first, second = candidate(), candidate("second")
    registry.promote(first.decision, first.bundle)
    process = multiprocessing.get_context("fork").Process(
        target=_promote_and_die, args=(registry.folder, second.decision, second.bundle, dies_at)
    )
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    champion = registry.champion()["bundle"]  # type: ignore[index]
    assert champion in (first.digest, second.digest)
    registry.promote(second.decision, second.bundle)
    assert registry.verify()[-1]["bundle"] == second.digest


class SlowRegistry(Registry):
    """Takes its time between reading the ledger and writing it; without a lock, two at once would lose a line."""

    def history(self) -> list[dict]:
        entries = super().history()
        time.sleep(0.3)
        return entries


def test_promotions_at_once_are_all_recorded_in_one_chain(registry: Registry, candidate: Make) -> None:
    first, *others = [candidate(name) for name in ("first", "second", "third")]
    registry.promote(first.decision, first.bundle)
    context, slow = multiprocessing.get_context("fork"), SlowRegistry(registry.folder, verify_bundle)
    processes = [context.Process(target=slow.promote, args=(made.decision, made.bundle)) for made in others]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {entry["bundle"] for entry in registry.verify()} == {made.digest for made in (first, *others)}
