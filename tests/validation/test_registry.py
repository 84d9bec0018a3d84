"""The registry: who becomes champion, who can be again, and what must be as it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cohorts.errors import InputError
from lightning_modules.manifest import verify_bundle
from tests.validation.cases import Candidate, flip, make_candidate
from validation.decision import read_decision
from validation.registry import Registry

Make = Callable[..., Candidate]


def test_a_pass_is_promoted_and_can_be_verified(registry: Registry, candidate: Make) -> None:
    first = candidate()
    entry = registry.promote(first.decision, first.bundle)
    assert registry.champion() == entry == registry.verify()[-1]
    assert (registry.folder / "champion").read_text().strip() == first.digest
    assert verify_bundle(registry.bundle(first.digest)) == first.digest
    assert registry.champion_bundle() == registry.bundle(first.digest)
    kept = registry.folder / "decisions" / entry["decision"]
    for name in ("decision.json", "report.html"):
        assert (kept / name).read_bytes() == first.decision.with_name(name).read_bytes()


def test_promoting_again_changes_nothing(registry: Registry, judged: Make) -> None:
    first = judged()
    assert registry.promote(first.decision, first.bundle) == registry.promote(first.decision, first.bundle)
    assert len(registry.history()) == 1


def test_another_bundle_in_the_champions_place_is_noticed(registry: Registry, judged: Make) -> None:
    first, second = judged(), judged("second")
    registry.promote(first.decision, first.bundle)
    shutil.rmtree(registry.bundle(first.digest))
    shutil.copytree(second.bundle, registry.bundle(first.digest))
    for call in (registry.verify, registry.champion_bundle):
        with pytest.raises(InputError, match="its manifest was changed"):
            call()


def test_rollback_goes_to_the_champion_before_and_is_recorded(registry: Registry, judged: Make) -> None:
    first, second = judged(), judged("second")
    registry.promote(first.decision, first.bundle)
    with pytest.raises(InputError, match="has no champion before the present one"):
        registry.rollback()
    registry.promote(second.decision, second.bundle)
    assert registry.rollback()["bundle"] == first.digest
    assert [entry["action"] for entry in registry.verify()] == ["promote", "promote", "rollback"]
    assert (registry.folder / "champion").read_text().strip() == first.digest


def test_rollback_twice_goes_back_twice_and_never_forward(registry: Registry, judged: Make) -> None:
    first, second, third = judged(), judged("second"), judged("third")
    for one in (first, second, third):
        registry.promote(one.decision, one.bundle)
    assert registry.rollback()["bundle"] == second.digest
    assert registry.rollback()["bundle"] == first.digest
    with pytest.raises(InputError, match="has no champion before the present one"):
        registry.rollback()
    assert registry.promote(third.decision, third.bundle)["bundle"] == third.digest
    assert registry.rollback()["bundle"] == first.digest


def test_rollback_refuses_a_champion_that_was_changed_since(registry: Registry, judged: Make) -> None:
    first, second = judged(), judged("second")
    registry.promote(first.decision, first.bundle)
    registry.promote(second.decision, second.bundle)
    flip(registry.bundle(first.digest) / "bundle.json")
    with pytest.raises(InputError, match=r"bundle\.json is not what its manifest says"):
        registry.rollback()
    assert registry.champion()["bundle"] == second.digest  # type: ignore[index]


def test_a_model_that_was_compared_with_another_champion_is_refused(registry: Registry, judged: Make) -> None:
    first = judged(champion=None)
    registry.promote(first.decision, first.bundle)
    compared_with_none = judged("second", champion=None)
    with pytest.raises(InputError, match=rf"champion none, but that of .* is {first.digest[:12]}; validate again"):
        registry.promote(compared_with_none.decision, compared_with_none.bundle)
    with_another = judged("third", champion="f" * 64)
    with pytest.raises(InputError, match="compared with the champion ffffffffffff, but that of"):
        registry.promote(with_another.decision, with_another.bundle)
    fitting = judged("fourth", champion=first.digest)
    assert registry.promote(fitting.decision, fitting.bundle)["bundle"] == fitting.digest
    unsaid = judged("fifth")
    assert registry.promote(unsaid.decision, unsaid.bundle)["bundle"] == unsaid.digest


def test_a_comparison_does_not_count_for_the_champion_itself(registry: Registry, judged: Make, tmp_path: Path) -> None:
    first = judged(champion=None)
    registry.promote(first.decision, first.bundle)
    again = make_candidate(tmp_path / "again", rendered=False, champion="f" * 64)
    assert registry.promote(again.decision, again.bundle)["bundle"] == first.digest
    assert len(registry.verify()) == 2


def test_a_first_model_cannot_have_been_compared(registry: Registry, judged: Make) -> None:
    first = judged(champion="f" * 64)
    with pytest.raises(InputError, match="champion ffffffffffff, but that of the registry is none"):
        registry.promote(first.decision, first.bundle)


def test_the_decision_of_another_model_in_the_champions_place_is_noticed(registry: Registry, judged: Make) -> None:
    first, second = judged(), judged("second")
    with registry.ledger.writing() as entries:
        shutil.copytree(first.bundle, registry.bundle(first.digest))
        files = registry._keep(second.decision, "d" * 64)
        registry.ledger.append(entries, "promote", bundle=first.digest, decision="d" * 64, files=files)
    with pytest.raises(InputError, match="is not the decision of entry 1 of the ledger"):
        registry.verify()


def test_a_decision_or_bundle_that_lay_there_before_is_not_taken_for_the_right_one(
    registry: Registry, judged: Make
) -> None:
    first = judged()
    why = registry.folder / "decisions" / read_decision(first.decision)["digest"]
    shutil.copytree(first.decision.parent, why)
    (why / "report.html").write_text("<h1>PASS</h1>")
    with pytest.raises(InputError, match=r"report\.html: is missing or was changed; remove "):
        registry.promote(first.decision, first.bundle)
    shutil.rmtree(why)
    flip(registry.bundle(first.digest) / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights\.safetensors is not what its manifest says"):
        registry.promote(first.decision, first.bundle)
    shutil.rmtree(registry.bundle(first.digest))
    assert registry.promote(first.decision, first.bundle) == registry.verify()[-1]


def test_a_pointer_that_was_moved_by_hand_is_noticed_and_does_not_count(registry: Registry, judged: Make) -> None:
    first = judged()
    registry.promote(first.decision, first.bundle)
    (registry.folder / "champion").write_text("0" * 64)
    assert registry.ledger.mend() == []
    with pytest.raises(InputError, match="`champion` is not what the ledger says"):
        registry.verify()
    assert registry.champion()["bundle"] == first.digest  # type: ignore[index]


def test_a_registry_that_is_not_there_is_an_error(registry: Registry) -> None:
    for call in (registry.history, registry.verify, registry.rollback):
        with pytest.raises(InputError, match="has no ledger"):
            call()
    assert registry.champion() is None
    assert not registry.folder.exists()
