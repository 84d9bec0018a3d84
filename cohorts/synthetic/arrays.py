"""Wide measurements, embeddings and images: every number says little, all of them together as much as a modality."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cohorts.synthetic.instruments import KNOWLEDGE, draw_loading
from cohorts.synthetic.posterior import Evidence

NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class ArrayInstrument:
    """x = W z + noise, F numbers a subject.

    Attributes:
        name: Of the modality.
        kind: What the numbers are.
        loading: W, float64 (F, K).
        noise: Standard deviation; it grows with F, so that what is known of z does not.
        shape: Of one subject's array: (F,) or (H, W).
    """

    name: str
    kind: Literal["embedding", "image"]
    loading: np.ndarray
    noise: float
    shape: tuple[int, ...]

    @classmethod
    def make_embedding(
        cls, name: str, rng: np.random.Generator, focus: list[int], num_latent: int, size: int
    ) -> "ArrayInstrument":
        """Draw a truth whose columns are unrelated."""
        loading = draw_loading(rng, size, focus, num_latent)
        return cls(name, "embedding", loading, np.sqrt(size / KNOWLEDGE), (size,))

    @classmethod
    def make_image(
        cls, name: str, rng: np.random.Generator, focus: list[int], num_latent: int, side: int
    ) -> "ArrayInstrument":
        """Draw a truth whose columns are smooth patterns: a blob each, at a place of its own."""
        row, column = np.mgrid[0:side, 0:side] / (side - 1)
        centre, width = rng.uniform(0.15, 0.85, (num_latent, 2)), rng.uniform(0.12, 0.25, num_latent)
        blobs = np.exp(
            -((row[..., None] - centre[:, 0]) ** 2 + (column[..., None] - centre[:, 1]) ** 2) / (2 * width**2)
        )
        strength = np.full(num_latent, 0.15)
        strength[focus] = 0.7
        loading = blobs.reshape(side * side, num_latent)
        loading *= strength * side / np.linalg.norm(loading, axis=0)
        return cls(name, "image", loading, side / np.sqrt(KNOWLEDGE), (side, side))

    def write(
        self, folder: Path, subject_id: np.ndarray, rows: np.ndarray, state: np.ndarray, rng: np.random.Generator
    ) -> Evidence:
        """Write NAME.npz, a part at a time: subject_id, texts (n,), and values, float32 (n, F) or (n, H, W)."""
        loading = (self.loading / self.noise**2).astype(np.float32)
        weights = self.loading.T.astype(np.float32)
        information = np.empty((len(rows), self.loading.shape[1]))
        step = max(1, NUMBERS_AT_ONCE // len(self.loading))
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), *self.shape)}
        with zipfile.ZipFile(folder / f"{self.name}.npz", "w") as archive:
            # ZipInfo has a fixed date, so that equal content has equal bytes.
            with archive.open(zipfile.ZipInfo("subject_id.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, subject_id[rows].astype(str), allow_pickle=False)
            with archive.open(zipfile.ZipInfo("values.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(rows), step):
                    part = slice(start, start + step)
                    values = rng.standard_normal((len(rows[part]), len(self.loading)), dtype=np.float32)
                    values *= np.float32(self.noise)
                    values += state[rows[part]].astype(np.float32) @ weights
                    information[part] = values @ loading
                    file.write(values.tobytes())
        return Evidence(rows, (self.loading.T @ self.loading)[None] / self.noise**2, information)

    def spec(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """No table, and the modality."""
        return {}, {"kind": self.kind, "file": f"{self.name}.npz"}
