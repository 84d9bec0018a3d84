"""What is to be promoted is judged again: a changed byte, a forged verdict and forged numbers are all noticed."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file
from tests.validation.cases import Candidate, flip, sealed
from validation.candidate import check_comparison, check_look
from validation.registry import Refused, Registry
from validation.report import render

Make = Callable[..., Candidate]


def forge(candidate: Candidate, change: Callable[[dict], None]) -> None:
    """Change a decision and give it a fitting digest and a fitting report."""
    decision = json.loads(candidate.decision.read_text())
    change(decision)
    candidate.decision.write_text(canonical_json(sealed(decision)))
    candidate.decision.with_name("report.html").write_text(render(sealed(decision)))


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
    assert not registry.folder.exists()


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

    def say_pass(decision: dict) -> None:
        decision["verdict"] = "PASS"
        for finding in decision["findings"]:
            finding["verdict"] = "PASS"

    forge(bad, say_pass)
    with pytest.raises(InputError, match="says PASS, but its own numbers say FAIL"):
        registry.promote(bad.decision, bad.bundle)


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
        lambda d: d["findings"][-1].update(lower="high"),
        lambda d: d["findings"][-1].update(surprise=1),
        lambda d: d.pop("findings"),
    ],
)
def test_a_decision_that_is_none_is_one_clear_error(registry: Registry, judged: Make, change: Callable) -> None:
    first = judged()
    decision = json.loads(first.decision.read_text())
    change(decision)
    first.decision.write_text(json.dumps(decision))
    with pytest.raises(InputError, match=r"cannot be read as a decision|findings is missing or no list"):
        registry.promote(first.decision, first.bundle)


def test_a_nan_in_a_decision_is_one_clear_error(registry: Registry, judged: Make) -> None:
    first = judged()
    first.decision.write_text(first.decision.read_text().replace('"threshold": 0.7,', '"threshold": NaN,', 1))
    with pytest.raises(InputError, match="cannot be read as a decision"):
        registry.promote(first.decision, first.bundle)


def test_a_bundle_that_was_not_judged_is_refused(registry: Registry, candidate: Make) -> None:
    first, second = candidate(), candidate("second")
    with pytest.raises(InputError, match=f"is the bundle {second.digest[:12]}, but {first.digest[:12]} was judged"):
        registry.promote(first.decision, second.bundle)


FORGERIES: dict[str, tuple[Callable, str]] = {
    "another threshold": (lambda d: d["operating_point"].update(threshold=0.01), "what the operating point is"),
    "a group left out": (lambda d: d["declared_groups"].pop("sex"), "which sensitive features there are"),
    "a champion that was not scored": (lambda d: d.update(champion="f" * 64), "whether there is a champion"),
    "other facts": (lambda d: d["findings"][0].update(title="The sky is blue"), "which facts must hold"),
    "a better table": (lambda d: d["tables"]["groups"][0].update(value=0.99), "its table groups does not follow"),
    "a better figure": (lambda d: d["tables"]["performance"][0].update(value=0.99), "its table performance does not"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_decision_with_fitting_digests_is_refused(registry: Registry, candidate: Make, name: str) -> None:
    change, message = FORGERIES[name]
    first = candidate()
    forge(first, change)
    with pytest.raises(InputError, match=message):
        registry.promote(first.decision, first.bundle)


def test_subjects_that_were_doubled_are_refused(registry: Registry, candidate: Make) -> None:
    first = candidate()
    file = first.decision.with_name("predictions.parquet")
    table = pd.read_parquet(file)
    pd.concat([table, table]).to_parquet(file, index=False)
    forge(first, lambda decision: decision.update(predictions={"digest": digest_of_file(file)}))
    with pytest.raises(InputError, match="rows repeat a subject"):
        registry.promote(first.decision, first.bundle)


def test_without_the_comparison_that_its_policy_asks_for_a_model_is_refused() -> None:
    policy = {"checks": [{"kind": "non_inferiority"}], "looks": 3}
    unsaid = {"policy": policy, "model": {"digest": "b" * 64}}
    with pytest.raises(InputError, match="compared with the champion none"):
        check_comparison(unsaid, "a" * 64)
    look = {"action": "look", "held_out": "h", "model": "b" * 64}
    check_look({**unsaid, "looks": {"held_out": "h"}}, [look])
    for entries in ([], [{**look, "model": "c" * 64}], [{**look, "held_out": "g"}]):
        with pytest.raises(InputError, match="has counted none of this model"):
            check_look({**unsaid, "looks": {"held_out": "h"}}, entries)
