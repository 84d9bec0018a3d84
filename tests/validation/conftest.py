"""Fixtures of the judge's tests."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lightning_modules.manifest import verify_bundle
from tests.validation.cases import Candidate, make_candidate
from validation.decision import read_decision
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
