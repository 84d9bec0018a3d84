"""Sign-offs and waivers: who may say what about which decision, and what a waiver allows until when."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from cohorts.errors import InputError
from tests.validation.cases import Candidate
from validation.decision import read_decision
from validation.ledger import Entry
from validation.registry import Refused, Registry
from validation.sign_offs import sign_off, today, waive

Make = Callable[..., Candidate]
DAYS = timedelta(days=1)


def waived(registry: Registry, made: Candidate, days: int = 30) -> Entry:
    return waive(
        registry.ledger,
        read_decision(made.decision),
        reason="the only model for rare cases",
        signers=["Ada Lovelace", "Grace Hopper"],
        expires=str(today() + days * DAYS),
    )


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets days pass."""
    now = today()
    return lambda days: monkeypatch.setattr("validation.sign_offs.today", lambda: now + days * DAYS)


def test_a_sign_off_names_the_decision_and_promotes_nothing(registry: Registry, judged: Make) -> None:
    first = judged()
    decision = read_decision(first.decision)
    entry = sign_off(registry.ledger, decision, name=" Ada  Lovelace", role="owner", note="read\nit all")
    said = {"action": "sign_off", "decision": decision["digest"], "bundle": first.digest, "verdict": "PASS"}
    said |= {"name": "Ada Lovelace", "role": "owner", "note": "read it all"}
    assert said.items() <= entry.items()
    assert registry.champion() is None
    assert not (registry.folder / "champion").exists()
    assert registry.verify() == [entry]


def test_the_same_person_in_the_same_role_signs_a_decision_once(registry: Registry, judged: Make) -> None:
    first, second = read_decision(judged().decision), read_decision(judged("second").decision)
    sign_off(registry.ledger, first, name="Ada Lovelace", role="owner", note="yes")
    with pytest.raises(InputError, match=r"Ada Lovelace, owner, has signed decision .* already, in entry 1"):
        sign_off(registry.ledger, first, name="ADA LOVELACE", role=" Owner", note="again")
    sign_off(registry.ledger, first, name="Ada Lovelace", role="statistician", note="in another role")
    sign_off(registry.ledger, first, name="Grace Hopper", role="owner", note="another person")
    sign_off(registry.ledger, second, name="Ada Lovelace", role="owner", note="another decision")
    assert len(registry.verify()) == 4


def test_an_empty_sign_off_is_refused_with_every_reason(registry: Registry, judged: Make) -> None:
    with pytest.raises(InputError) as caught:
        sign_off(registry.ledger, read_decision(judged().decision), name=" ", role="", note="\x1b[31mred")
    assert caught.value.problems == [
        "sign-off: must not be empty",
        "role: must not be empty",
        "note: has characters that cannot be shown",
    ]
    assert not registry.folder.exists()


@pytest.mark.parametrize(("changes", "why"), [({"separation": 0.0}, "can never be waived"), ({}, "needs no waiver")])
def test_only_insufficient_can_be_waived(registry: Registry, judged: Make, changes: dict, why: str) -> None:
    with pytest.raises(InputError, match=f"which {why}; only INSUFFICIENT can be"):
        waived(registry, judged(**changes))
    assert not registry.folder.exists()


def test_an_error_cannot_be_waived(registry: Registry, judged: Make) -> None:
    decision = {**read_decision(judged().decision), "verdict": "ERROR"}
    with pytest.raises(InputError, match="verdict is ERROR, which can never be waived"):
        waive(registry.ledger, decision, reason="why", signers=["A", "B"], expires=str(today() + DAYS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reason": "  "}, "waive: must not be empty"),
        ({"signers": ["Ada Lovelace", "adalovelace "]}, r"signers: must be two different people \(value: Ada Lovelace"),
        ({"signers": ["Müller", "Mu\u0308ller"]}, "signers: must be two different people"),
        ({"signers": ["Ada"]}, "signers: must be two different people"),
        ({"signers": ["Ada", "Grace", "Joan"]}, "signers: must be two different people"),
        ({"signers": ["Ada", ""]}, "signer 2: must not be empty"),
        ({"expires": "tomorrow"}, r"expires: must be a day as YYYY-MM-DD \(value: tomorrow\)"),
        ({"expires": "20990101"}, "expires: must be a day as YYYY-MM-DD"),
        ({"expires": str(today())}, "expires: must be after today"),
        ({"expires": str(today() + 367 * DAYS)}, "and at most 365 days away"),
    ],
)
def test_a_waiver_needs_a_reason_two_people_and_a_day(
    registry: Registry, judged: Make, change: dict, message: str
) -> None:
    given = {"reason": "rare", "signers": ["Ada", "Grace"], "expires": str(today() + DAYS), **change}
    with pytest.raises(InputError, match=message):
        waive(registry.ledger, read_decision(judged(num_subjects=60).decision), **given)
    assert not registry.folder.exists()


def test_all_that_is_wrong_with_a_waiver_is_said_at_once(registry: Registry, judged: Make) -> None:
    with pytest.raises(InputError) as caught:
        waive(registry.ledger, read_decision(judged().decision), reason="", signers=["A", "a"], expires="never")
    assert len(caught.value.problems) == 4


def test_a_waiver_lets_its_decision_in_and_no_other(registry: Registry, judged: Make) -> None:
    weak, other = judged(num_subjects=60), judged("other", num_subjects=60)
    with pytest.raises(Refused):
        registry.promote(weak.decision, weak.bundle)
    waiver = waived(registry, weak)
    entry = registry.promote(weak.decision, weak.bundle)
    assert entry["waiver"] == waiver["digest"]
    assert registry.promote(weak.decision, weak.bundle) == entry == registry.verify()[-1]
    with pytest.raises(Refused):
        registry.promote(other.decision, other.bundle)


def test_a_waiver_that_has_expired_lets_nothing_in(
    registry: Registry, judged: Make, later: Callable[[int], None]
) -> None:
    weak = judged(num_subjects=60)
    waiver = waived(registry, weak)
    later(31)
    with pytest.raises(Refused, match=f"its waiver, entry 1 of the ledger, has expired on {waiver['expires']}"):
        registry.promote(weak.decision, weak.bundle)


def test_a_forged_waiver_of_a_fail_is_none(registry: Registry, judged: Make) -> None:
    bad = judged(separation=0.0)
    about = {"decision": read_decision(bad.decision)["digest"], "expires": str(date.max)}
    about |= {"bundle": bad.digest, "verdict": "INSUFFICIENT", "reason": "none", "signers": ["Ada", "Grace"]}
    with registry.ledger.writing() as entries:
        registry.ledger.append(entries, "waiver", **about)
    with pytest.raises(Refused) as caught:
        registry.promote(bad.decision, bad.bundle)
    assert caught.value.verdict == "FAIL"


def test_a_champion_whose_waiver_has_expired_is_named_and_not_used_until_another_is_given(
    registry: Registry, judged: Make, later: Callable[[int], None]
) -> None:
    weak = judged(num_subjects=60)
    waived(registry, weak)
    registry.promote(weak.decision, weak.bundle)
    later(30)
    registry.verify()
    assert registry.bundle_in_use() == registry.bundle(weak.digest)
    later(31)
    for call in (registry.verify, registry.bundle_in_use):
        with pytest.raises(
            InputError, match=f"champion {weak.digest[:12]} did not pass, and no waiver for it holds any more"
        ):
            call()
    assert registry.champion_bundle() == registry.bundle(weak.digest), "a new model is still compared with it"
    renewed = waived(registry, weak, days=60)
    assert registry.promote(weak.decision, weak.bundle)["waiver"] == renewed["digest"]
    registry.verify()


def test_rollback_passes_over_a_champion_whose_waiver_has_expired(
    registry: Registry, judged: Make, later: Callable[[int], None]
) -> None:
    good, weak, newest = judged("good"), judged("weak", num_subjects=60), judged("newest")
    waiver = waived(registry, weak)
    for made in (good, weak, newest):
        registry.promote(made.decision, made.bundle)
    before = registry.ledger.path.read_bytes()
    assert (registry.rollback()["bundle"], registry.champion()["waiver"]) == (weak.digest, waiver["digest"])  # type: ignore[index]
    registry.ledger.path.write_bytes(before)
    later(31)
    assert registry.rollback()["bundle"] == good.digest


def test_rollback_says_so_where_every_other_champions_waiver_has_expired(
    registry: Registry, judged: Make, later: Callable[[int], None]
) -> None:
    weak, newest = judged("weak", num_subjects=60), judged("newest")
    waived(registry, weak)
    for made in (weak, newest):
        registry.promote(made.decision, made.bundle)
    later(31)
    with pytest.raises(InputError, match="every other champion stood on a waiver that has expired"):
        registry.rollback()
    assert registry.verify()[-1]["bundle"] == newest.digest
