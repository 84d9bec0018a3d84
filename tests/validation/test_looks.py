"""Looks at a held-out cohort: each model counts once, before it is scored, and never more than the budget."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cohorts.errors import InputError
from tests.validation.cases import make_decision as decision_on
from tests.validation.cases import make_held_out, make_policy
from validation.ledger import Ledger
from validation.looks import earlier_looks, look, record_outcome

HERE, ELSEWHERE = "a" * 64, "b" * 64


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "registry")


def test_each_model_is_counted_once_on_each_held_out_cohort(ledger: Ledger) -> None:
    assert [look(ledger, held_out=HERE, model=model) for model in ("m1", "m2", "m1", "m3", "m2")] == [1, 2, 1, 3, 2]
    assert look(ledger, held_out=ELSEWHERE, model="m3") == 1
    assert [entry["action"] for entry in ledger.entries()] == ["look"] * 4


def test_a_budget_that_is_used_up_refuses_another_model_and_writes_nothing(ledger: Ledger) -> None:
    for model in ("m1", "m2"):
        look(ledger, held_out=HERE, model=model, budget=2)
    before = ledger.path.read_bytes()
    with pytest.raises(
        InputError,
        match="held-out cohort aaaaaaaaaaaa: 2 models have looked at it, and the policy's budget is 2; hold out people",
    ):
        look(ledger, held_out=HERE, model="m3", budget=2)
    assert ledger.path.read_bytes() == before
    assert look(ledger, held_out=HERE, model="m2", budget=2) == 2
    assert look(ledger, held_out=ELSEWHERE, model="m3", budget=2) == 1
    assert look(ledger, held_out=HERE, model="m3", budget=3) == 3


def test_a_refused_first_look_makes_no_registry(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="0 models have looked at it, and the policy's budget is 0"):
        look(ledger, held_out=HERE, model="m1", budget=0)
    assert not ledger.folder.exists()


def test_earlier_looks_tell_their_outcome_where_there_was_one(ledger: Ledger) -> None:
    policy = make_policy({"kind": "floor", "metric": "auroc", "floor": 0.5})
    for model in ("m1", "m2", "m3"):
        look(ledger, held_out=HERE, model=model)
    decision = decision_on(make_held_out(200), policy, "m1")
    record_outcome(ledger, held_out=HERE, decision=decision)
    record_outcome(ledger, held_out=HERE, decision=decision)
    record_outcome(ledger, held_out=ELSEWHERE, decision=decision_on(make_held_out(200), policy, "m2"))
    assert [entry["action"] for entry in ledger.entries()] == ["look", "look", "look", "judged", "judged"]
    first, second = earlier_looks(ledger, held_out=HERE, model="m3")
    shown = next(row for row in decision["tables"]["performance"] if row["metric"] == "auroc")
    assert first == {
        "number": 1,
        "time": ledger.entries()[0]["time"],
        "model": "m1",
        "verdict": "PASS",
        "auroc": {key: shown[key] for key in ("value", "lower", "upper")},
    }
    assert (second["number"], second["model"], second["verdict"], second["auroc"]) == (2, "m2", None, None)
    assert earlier_looks(ledger, held_out=HERE, model="m1") == []
    assert len(earlier_looks(ledger, held_out=HERE, model="new")) == 3


def test_an_outcome_whose_figures_are_hidden_has_none(ledger: Ledger) -> None:
    decision = decision_on(make_held_out(200), make_policy({"kind": "integrity"}), "m1")
    for row in decision["tables"]["performance"]:
        row["value"] = None
    record_outcome(ledger, held_out=HERE, decision=decision)
    assert ledger.entries()[0]["auroc"] is None


def test_looks_at_once_never_exceed_the_budget(ledger: Ledger, at_once: Callable[..., list[int]]) -> None:
    codes = at_once(_look_or_be_refused, [(ledger, f"m{number}") for number in range(4)])
    assert sorted(codes) == [0, 0, 2, 2]
    assert len(ledger.entries()) == 2


def _look_or_be_refused(ledger: Ledger, model: str) -> None:
    try:
        look(ledger, held_out=HERE, model=model, budget=2)
    except InputError:
        raise SystemExit(2) from None
