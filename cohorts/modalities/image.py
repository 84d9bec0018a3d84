"""Small two-dimensional images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cohorts.errors import InputError
from cohorts.modalities.tabular import LEAST_IN_A_BIN
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
    """Shape, and centre and scale of all pixels together; `transform` raises an InputError for images of another."""

    shape: tuple[int, int, int]
    centre: float
    scale: float
    kind: ClassVar[str] = "image"

    @property
    def num_inputs(self) -> int:
        return int(np.prod(self.shape))

    @property
    def feature_of_input(self) -> np.ndarray:
        return np.arange(self.num_inputs)

    @property
    def layout(self) -> dict[str, int]:
        return dict(zip(("num_channels", "height", "width"), self.shape, strict=True))

    def transform(self, measurements: Images) -> np.ndarray:
        if not measurements.present.any():
            return np.zeros((len(measurements), self.num_inputs), dtype=np.float32)
        if measurements.pixels.shape[1:] != self.shape:
            raise InputError(
                f"images: are {measurements.pixels.shape[1:]} (channels, height, width), where the model was fitted on "
                f"{self.shape}; resize them"
            )
        with np.errstate(over="ignore"):
            scores = np.clip((measurements.pixels - np.float32(self.centre)) / np.float32(self.scale), -10, 10)
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
    some = len(training) >= LEAST_IN_A_BIN
    centre = float(training.pixels.mean(dtype=float)) if some else 0.0
    scale = float(training.pixels.std(dtype=float)) if some else 0.0
    scale = scale if scale > 1e-6 * abs(centre) else 1.0
    return FittedImages((channels, height, width), centre, scale)
