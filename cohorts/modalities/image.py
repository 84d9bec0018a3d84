"""Small two-dimensional images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cohorts.modality import ImageModality


@dataclass(frozen=True, repr=False)
class Images:
    """Images of N subjects.

    Attributes:
        pixels: Float32 (N, C, H, W); 0 where absent.
        present: bool (N,).
    """

    pixels: np.ndarray
    present: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: np.ndarray) -> "Images":
        return Images(self.pixels[index], self.present[index])

    def content(self) -> Iterator[bytes]:
        yield str(self.pixels.shape).encode()
        yield self.present.tobytes()
        yield np.ascontiguousarray(self.pixels).tobytes()

    def summary(self) -> pd.DataFrame:
        flat = np.where(self.present[:, None], self.pixels.reshape(len(self), -1), np.nan)
        return pd.DataFrame({"brightness": flat.mean(axis=1), "contrast": flat.std(axis=1)}).astype(float)


@dataclass(frozen=True)
class FittedImages:
    """Shape, and centre and scale of all pixels together."""

    shape: tuple[int, int, int]
    centre: float
    scale: float
    kind: ClassVar[str] = "image"

    @property
    def num_inputs(self) -> int:
        return int(np.prod(self.shape))

    @property
    def layout(self) -> dict[str, int]:
        return dict(zip(("num_channels", "height", "width"), self.shape, strict=True))

    def transform(self, measurements: Images) -> np.ndarray:
        scores = (measurements.pixels - np.float32(self.centre)) / np.float32(self.scale)
        return np.where(measurements.present[:, None], scores.reshape(len(measurements), -1), np.float32(0))

    def state(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "centre": self.centre, "scale": self.scale}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedImages":
        channels, height, width = state["shape"]
        return cls((channels, height, width), state["centre"], state["scale"])


def fit_images(training: Images, modality: ImageModality) -> FittedImages:
    """Fit on training subjects who have the modality."""
    channels, height, width = training.pixels.shape[1:]
    some = training.pixels.size > 0
    scale = float(training.pixels.std()) if some else 0.0
    return FittedImages((channels, height, width), float(training.pixels.mean()) if some else 0.0, scale or 1.0)
