"""Fixtures of the judge's tests."""

import multiprocessing
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from lightning_modules.manifest import verify_bundle
from tests.validation.cases import Candidate, make_candidate
from validation.decision import read_decision
from validation.ledger import Entry, Ledger
from validation.registry import Registry


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[..., Candidate]:
    """Makes candidates in a folder of this test."""
    return partial(make_candidate, tmp_path)


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Candidate]:
    """Makes candidates that are not judged again when they are promoted, for tests of what comes after that."""
    monkeypatch.setattr("validation.registry.read_candidate", lambda decision, *_: read_decision(decision))
    return partial(make_candidate, tmp_path, rendered=False)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry."""
    return Registry(tmp_path / "registry", verify_bundle)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Calls a function in a process for each of some arguments; all are between reading a ledger and writing it."""
    read = Ledger.entries

    def slowly(self: Ledger) -> list[Entry]:
        """Takes its time; without a lock, a line would be lost."""
        entries = read(self)
        time.sleep(0.2)
        return entries

    def run(function: Callable[..., object], each: Iterable[tuple[object, ...]]) -> list[int]:
        monkeypatch.setattr(Ledger, "entries", slowly)
        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=function, args=arguments) for arguments in each]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return [process.exitcode or 0 for process in processes]

    return run
