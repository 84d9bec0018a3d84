"""Inputs larger than memory: written once to Parquet, by chunks, and read by row groups in shuffled windows.

One row group is one chunk. An epoch visits the groups in a new order, some at a time, and shuffles the rows of those
together (a shuffle buffer, as in tf.data and WebDataset, but one whose order is a function of seed and epoch). No
subject ids are written.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.progress import track

from cohorts.batches import Rows

GROUP_BYTES = 4 << 20
GROUPS_AT_ONCE = 16
DIGEST = b"digest"
MANY_CHUNKS = 25  # from here on, a progress line says how far the writing is


def rows_in_a_group(row: Mapping[str, np.ndarray]) -> int:
    """Rows like this one that fill a row group, at least 1."""
    return max(1, GROUP_BYTES // sum(values.nbytes for values in row.values()))


def write_rows(path: Path, chunks: Iterable[Mapping[str, np.ndarray]], num_chunks: int, digest: str) -> None:
    """Write columns to Parquet, one row group a chunk.

    Args:
        path: The file; who calls makes it appear whole (`files.whole_folder`).
        chunks: Columns as `batches.Source.read` gives them: two-dimensional ones become fixed-size lists. At least one.
        num_chunks: How many chunks will come, for the progress line.
        digest: What the rows follow from; `digest_of` reads it back.
    """
    chunks = track(chunks, "preparing", num_chunks, console=Console(stderr=True), disable=num_chunks < MANY_CHUNKS)
    writer = None
    try:
        for chunk in chunks:
            schema = pa.schema([pa.field(name, _type(values), nullable=False) for name, values in chunk.items()])
            writer = writer or pq.ParquetWriter(
                path,
                schema.with_metadata({DIGEST: digest}),
                compression="none",  # float32 hardly shrinks, and reading would take twice as long
                use_dictionary=False,
                write_statistics=False,
            )
            arrays = [_array(values, field.type) for values, field in zip(chunk.values(), schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=writer.schema), row_group_size=len(arrays[0]))
    finally:
        if writer:
            writer.close()


def digest_of(path: Path) -> str:
    """What the rows of a file follow from; "" where it is absent or not such a file."""
    try:
        return (pq.read_schema(path).metadata or {}).get(DIGEST, b"").decode()
    except (OSError, pa.ArrowInvalid):
        return ""


class ParquetSource:
    """Windows of a file that `write_rows` made; no more than one window and one row group are in memory.

    Args:
        path: The file.
        seed: Seed of the order; None keeps the rows as they stand.
        groups_at_once: Row groups whose rows are shuffled together.
    """

    def __init__(self, path: Path, seed: int | None, groups_at_once: int = GROUPS_AT_ONCE) -> None:
        self.path, self.seed, self.groups_at_once = path, seed, groups_at_once
        self.metadata = pq.read_metadata(path)
        self.group_rows = np.array([self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)])

    def sizes(self, epoch: int) -> np.ndarray:
        """Rows in each window, int (W,)."""
        return np.array([self.group_rows[groups].sum() for groups in self._windows(epoch)])

    def read(self, epoch: int, window: int) -> Rows:
        """Columns of one window: its row groups are read one after the other, and their rows put into place."""
        groups = self._windows(epoch)[window]
        ends = np.cumsum(self.group_rows[groups])
        place = np.arange(ends[-1])
        if self.seed is not None:
            place = np.random.default_rng([self.seed, epoch, window]).permutation(place)
        rows: Rows = {}
        # Opened anew for each window, so that a forked worker shares no file position with its parent.
        with pq.ParquetFile(self.path, metadata=self.metadata, pre_buffer=False) as file:
            for group, end in zip(groups, ends, strict=True):
                table = file.read_row_group(int(group), use_threads=False)
                here = place[end - len(table) : end]
                for name in table.column_names:
                    values = _values(table.column(name))
                    if name not in rows:  # torch aligns memory, on which the last bit of a product may depend
                        kind = torch.bool if values.dtype == bool else torch.float32
                        rows[name] = torch.empty((len(place), *values.shape[1:]), dtype=kind)
                    rows[name].numpy()[here] = values
        return rows

    def _windows(self, epoch: int) -> list[np.ndarray]:
        groups = np.arange(len(self.group_rows))
        if self.seed is not None:
            groups = np.random.default_rng([self.seed, epoch]).permutation(groups)
        return [groups[start : start + self.groups_at_once] for start in range(0, len(groups), self.groups_at_once)]


def _type(values: np.ndarray) -> pa.DataType:
    item = pa.from_numpy_dtype(values.dtype)
    return pa.list_(pa.field("item", item, nullable=False), values.shape[1]) if values.ndim == 2 else item


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=kind) if values.ndim == 2 else flat


def _values(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    if not pa.types.is_fixed_size_list(array.type):
        return array.to_numpy(zero_copy_only=False)
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)
