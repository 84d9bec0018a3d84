"""Promote as people call it: which options belong together, what it says, and with which exit code it ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.command_line import run
from scripts.promote import promote
from tests.validation.cases import Candidate, flip, make_candidate

Call = Callable[..., tuple[int, str]]
TOMORROW = str((datetime.now(UTC) + timedelta(days=1)).date())
SIGNERS = ["--signers", "Ada Lovelace", "Grace Hopper"]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls promote in a folder of this test; its exit code, and all that it said."""
    monkeypatch.chdir(tmp_path)

    def called(*words: str | Path) -> tuple[int, str]:
        try:
            code = run(promote, ["--registry", "registry", *map(str, words)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = capsys.readouterr()
        return code, out + err

    return called


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return make_candidate(tmp_path_factory.mktemp("good"), "good")


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """One whose verdict is INSUFFICIENT."""
    return make_candidate(tmp_path_factory.mktemp("weak"), "weak", num_subjects=60)


ALL = "give one of --decision, --sign-off, --waive, --rollback, --verify, --history and --make-key"


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ([], [f"{ALL} (given: none of them)"]),
        (["--verify", "--history"], [f"{ALL} (given: --verify and --history)"]),
        (["--verify"], ["has no ledger; promote something first"]),
        (["--decision", "nowhere.json"], ["nowhere.json: no such file; a decision was expected there"]),
        (["--sign-off", "Ada"], [f"--sign-off: needs --{word} as well" for word in ("decision", "role", "note")]),
        (["--waive", "why"], [f"--waive: needs --{word} as well" for word in ("decision", "signers", "expires")]),
        (
            ["--rollback", "--decision", "d.json", "--role", "owner", "--expires", TOMORROW],
            [f"--rollback: goes without --{word}" for word in ("decision", "role", "expires")],
        ),
        (["--decision", "d.json", "--note", "read"], ["--decision: goes without --note"]),
        (["--verify", "--key", "key.pem"], ["--verify: goes without --key"]),
        (
            ["--sign_off", "Ada", "--signers", "A", "B"],
            ["--sign-off: needs --decision as well", "--sign-off: goes without --signers"],
        ),
        (["--role", "owner"], [f"{ALL} (given: none of them)"]),
    ],
)
def test_options_that_do_not_belong_together_are_refused_all_at_once(
    call: Call, words: list[str], messages: list[str], tmp_path: Path
) -> None:
    code, said = call(*words)
    assert code == 2
    for message in messages:
        assert message in said
    assert list(tmp_path.iterdir()) == []


def test_a_pass_is_promoted_listed_and_verified(call: Call, good: Candidate) -> None:
    assert call("--decision", good.decision) == (
        0,
        f"promote: champion is {good.digest[:12]}, entry 1 of the ledger in registry\n",
    )
    code, listed = call("--history")
    assert code == 0
    assert listed.count("\n") == 1
    assert f"promote   bundle {good.digest[:12]}  decision " in listed
    code, said = call("--verify")
    assert code == 0
    assert said.startswith(listed)
    assert "1 entries, every bundle and decision is what it was; champion " + good.digest[:12] in said
    flip(Path("registry/champion"), 3)
    assert call("--verify") == (2, "error: registry registry: `champion` is not what the ledger says it is\n")


def test_verify_mends_what_a_killed_call_left_behind_and_says_so(call: Call, good: Candidate) -> None:
    call("--decision", good.decision)
    Path("registry/champion").unlink()
    code, said = call("--verify")
    assert code == 0
    assert "`champion` was one step behind the ledger" in said
    assert "one step behind" not in call("--verify")[1]


def test_an_insufficient_is_promoted_only_with_a_waiver_of_two(call: Call, weak: Candidate) -> None:
    code, said = call("--decision", weak.decision)
    assert code == 4
    assert "promote: refused, INSUFFICIENT" in said
    assert not Path("registry").exists()
    waive = ["--decision", weak.decision, "--waive", "rare: nobody else has one", "--expires", TOMORROW]
    code, said = call(*waive, "--signers", "Ada", "ADA")
    assert code == 2
    assert "signers: must be two different people (value: Ada, ADA)" in said
    code, said = call(*waive, *SIGNERS)
    assert code == 0, said
    assert f"may be promoted until {TOMORROW}, entry 1 of the ledger" in said
    assert call("--decision", weak.decision)[0] == 0
    listed = call("--history")[1]
    assert f"until {TOMORROW}, by Ada Lovelace and Grace Hopper: rare: nobody else has one" in listed
    digest = listed.splitlines()[0].rsplit("(", 1)[1].rstrip(")")
    assert listed.splitlines()[1].endswith(f"waiver {digest}")


def test_a_sign_off_is_listed_and_made_once(call: Call, good: Candidate) -> None:
    words = ["--decision", good.decision, "--sign-off", "Ada Lovelace", "--role", "owner", "--note", "read: all of it"]
    code, said = call(*words)
    assert code == 0, said
    assert "sign_off: Ada Lovelace answers for decision" in said
    assert "PASS, by Ada Lovelace, owner: read: all of it" in call("--history")[1]
    code, said = call(*words)
    assert code == 2
    assert "has signed decision" in said
    code, said = call("--verify")
    assert code == 0
    assert "champion none yet" in said


def test_a_registry_with_a_key_takes_nothing_without_it(call: Call, good: Candidate) -> None:
    code, said = call("--make-key", "key.pem")
    assert code == 0, said
    assert "keep key.pem away from the registry" in said
    assert call("--make-key", "key.pem", "--key", "key.pem")[0] == 2
    code, said = call("--decision", good.decision)
    assert code == 2
    assert "is signed; give its private key by --key" in said
    assert call("--decision", good.decision, "--key", "key.pem")[0] == 0
    code, said = call("--verify")
    assert code == 0
    assert "the public key's SHA-256 is" in said


def test_the_saved_config_is_read_again(call: Call, weak: Candidate) -> None:
    words = ["--decision", weak.decision, "--waive", "rare", "--expires", TOMORROW, *SIGNERS]
    assert call(*words)[0] == 0
    code, said = call("--config", "registry/config.yaml")
    assert code == 0, said
    assert call("--history")[1].count("by Ada Lovelace and Grace Hopper") == 2
