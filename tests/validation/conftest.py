"""Fixtures of the judge's tests."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.validation.cases import Candidate, make_candidate


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[..., Candidate]:
    """Makes candidates in a folder of this test."""
    return partial(make_candidate, tmp_path)
