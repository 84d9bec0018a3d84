"""What the measurements of any kind of modality can do, and what a fitted one can: make inputs."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd


class Measurements(Protocol):
    """One modality of N subjects, a row a subject."""

    @property
    def present(self) -> np.ndarray:
        """Whether a subject has any value, bool (N,)."""

    def __len__(self) -> int: ...

    def take(self, index: np.ndarray) -> Self:
        """The subjects at these positions, int (n,)."""

    def content(self) -> Iterator[bytes]:
        """All values, and which subjects they belong to, in an order that depends on nothing else."""

    def summary(self) -> pd.DataFrame:
        """Float columns for checks and descriptions, N rows; NaN where absent."""


class Fitted(Protocol):
    """How the measurements of one modality become inputs; fitted on training subjects, its state plain data."""

    kind: ClassVar[str]

    @property
    def num_inputs(self) -> int:
        """Width of the inputs."""

    @property
    def feature_of_input(self) -> np.ndarray:
        """Number of the raw feature that each input tells of, from 0 on, int (num_inputs,)."""

    @property
    def layout(self) -> dict[str, int]:
        """What an encoder needs to know of the order of the inputs."""

    def transform(self, measurements: Any) -> np.ndarray:
        """Inputs, float32 (N, num_inputs); 0 where absent."""

    def state(self) -> dict[str, Any]:
        """As plain data."""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Back from plain data."""


def text_bytes(values: Sequence[str | None]) -> bytes:
    """Texts as bytes; an absent one differs from every text.

    Example:
        >>> text_bytes(["a", None]) != text_bytes(["a", ""])
        True
    """
    parts = ("-" if value is None else f"{len(value)}:{value}" for value in values)  # so that no text ends another
    return "".join(parts).encode("utf-8", "surrogatepass")
