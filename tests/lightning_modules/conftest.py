"""Fixtures of the tests of experts and ensemble."""

import pytest

from lightning_modules import additive, additive_fit


@pytest.fixture
def nothing_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """One penalty and no curves, so that labels cannot act through a choice."""
    monkeypatch.setattr(additive_fit, "PENALTIES", (0.1,))
    monkeypatch.setattr(additive, "MOST_CURVED", 0)
