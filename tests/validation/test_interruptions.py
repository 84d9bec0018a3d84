"""A kill before any write, a full disk at any write, and several calls at once: the old state or the new one.

A child process does something to a registry while an audit hook counts its writes (files opened for writing, folders
made, renames, removals) and kills the process, or fails the write, at the n-th; for every n.
"""

import errno
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from lightning_modules.manifest import verify_bundle
from tests.validation.cases import Candidate, make_candidate
from validation.decision import read_decision
from validation.ledger import Entry
from validation.looks import look, record_outcome
from validation.registry import Registry
from validation.sign_offs import sign_off, today, waive

pytestmark = pytest.mark.slow

Make = Callable[..., Candidate]
Action = Callable[[Registry], object]
WRITES = {"os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir", "shutil.copyfile"}
SHRINKS = {"os.remove", "os.rmdir", "os.chmod"}  # possible on a full disk


def is_write(event: str, args: tuple) -> bool:
    return event in WRITES or (event == "open" and bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))


def kill_at(number: int) -> None:
    writes = count(1)

    def hook(event: str, args: tuple) -> None:
        if is_write(event, args) and next(writes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def disk_full_from(number: int) -> None:
    writes = count(1)

    def hook(event: str, args: tuple) -> None:
        if is_write(event, args) and next(writes) >= number and event not in SHRINKS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)


def no_file_longer_than(size: int) -> None:
    """The system refuses to write more into a file, as on a full disk, but in the middle of a write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def in_child(prepare: Callable[[int], None], number: int, action: Action, registry: Registry) -> int:
    """Exit code of a process that acts under such conditions; the number of an OSError that it met."""

    def act() -> None:
        prepare(number)
        try:
            action(registry)
        except OSError as error:
            os._exit(error.errno or 1)

    process = multiprocessing.get_context("fork").Process(target=act)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@dataclass(frozen=True)
class Prepared:
    """A registry with two champions, and what can be done to it; never itself changed."""

    registry: Registry
    actions: dict[str, Action]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("prepared")
    judged = partial(make_candidate, folder, rendered=False)
    third, weak = judged("third"), judged("weak", num_subjects=60)
    decision, expires, keys = read_decision(weak.decision), str(today() + timedelta(days=300)), count()
    waiver = {"reason": "rare", "signers": ["Ada", "Grace"], "expires": expires}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("validation.registry.read_candidate", lambda decision, *_: read_decision(decision))
        registry = Registry(folder / "registry", verify_bundle)
        for made in (judged("first"), judged("second")):
            registry.promote(made.decision, made.bundle)
        yield Prepared(
            registry,
            {
                "promote": lambda registry: registry.promote(third.decision, third.bundle),
                "rollback": lambda registry: registry.rollback(),
                "look": lambda registry: look(registry.ledger, held_out="a" * 64, model="b" * 64),
                "judged": lambda registry: record_outcome(registry.ledger, held_out="a" * 64, decision=decision),
                "sign_off": lambda registry: sign_off(registry.ledger, decision, name="Ada", role="owner", note="seen"),
                "waiver": lambda registry: waive(registry.ledger, decision, **waiver),  # type: ignore[arg-type]
                # To another file at each call, as a key is never overwritten.
                "key": lambda registry: registry.ledger.introduce_key(folder / f"{next(keys)}-{os.getpid()}.pem"),
            },
        )


NAMES = ("promote", "rollback", "look", "judged", "sign_off", "waiver", "key")


def check(registry: Registry, before: list[Entry], name: str, action: Action) -> None:
    """The registry is the old one or the new one, and the same call brings it to the new one."""
    registry.ledger.mend()
    found = registry.verify()
    assert found[: len(before)] == before
    added = [entry["action"] for entry in found[len(before) :]]
    assert added in ([], [name])
    if not added:
        action(registry)
        assert [entry["action"] for entry in registry.verify()[len(before) :]] == [name]


def num_interruptions(
    prepare: Callable[[int], None], code: int, numbers: Iterable[int], prepared: Prepared, name: str, folder: Path
) -> int:
    """Interrupt an action at each number until it comes through, and check what is left; how often that was."""
    before, action = prepared.registry.history(), prepared.actions[name]
    for interruptions, number in enumerate(numbers):
        copy = replace(prepared.registry, folder=folder / f"registry{number}")
        shutil.copytree(prepared.registry.folder, copy.folder)
        met = in_child(prepare, number, action, copy)
        if met == 0:
            return interruptions
        assert met == code
        if code > 0:
            assert [file.name for file in copy.folder.rglob(".*")] == [".lock"]  # nothing half-written is left
        check(copy, before, name, action)
    raise AssertionError("never came through")


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_before_any_write_leaves_the_old_state_or_the_new_one(
    prepared: Prepared, name: str, tmp_path: Path
) -> None:
    times = num_interruptions(kill_at, -signal.SIGKILL, count(1), prepared, name, tmp_path)
    assert times >= (20 if name == "promote" else 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_at_any_write_leaves_the_old_state_or_the_new_one(
    prepared: Prepared, name: str, tmp_path: Path
) -> None:
    times = num_interruptions(disk_full_from, errno.ENOSPC, count(1), prepared, name, tmp_path)
    assert times >= (10 if name == "promote" else 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_fills_in_the_middle_of_a_write_leaves_the_old_state(
    prepared: Prepared, name: str, tmp_path: Path
) -> None:
    sizes = (0, 1, 50, 500, 1000, 1_000_000)
    assert num_interruptions(no_file_longer_than, errno.EFBIG, sizes, prepared, name, tmp_path) >= 4


def test_a_first_promotion_that_was_killed_anywhere_leaves_none_or_the_first(tmp_path: Path, judged: Make) -> None:
    first = judged()
    for number in count(1):
        registry = Registry(tmp_path / f"registry{number}", verify_bundle)
        code = in_child(kill_at, number, lambda to: to.promote(first.decision, first.bundle), registry)
        champion = registry.champion()
        assert champion is None or champion["bundle"] == first.digest
        registry.promote(first.decision, first.bundle)
        assert len(registry.verify()) == 1
        if code == 0:
            break
    assert number > 20


def test_promotions_at_once_are_all_recorded_in_one_chain(
    registry: Registry, judged: Make, at_once: Callable[..., list[int]]
) -> None:
    first, *others = [judged(name) for name in ("first", "second", "third", "fourth")]
    registry.promote(first.decision, first.bundle)
    at_once(registry.promote, [(made.decision, made.bundle) for made in others])
    assert {entry["bundle"] for entry in registry.verify()} == {made.digest for made in (first, *others)}
