"""Batches in an order that depends on seed and epoch alone, whoever reads them, and from any place on.

A source hands out windows: some thousand rows, in the order in which they are trained on. The loader cuts them into
batches. So workers read windows, processes share batches, and a resumed run starts at the window of its next batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

Batch = dict[str, Any]
Rows = dict[str, Tensor]
Values = tuple[Tensor, ...]
FEATURES = "features."  # begins the names of modalities among the columns of a window
MORE = "more."  # begins the names of whole numbers, below 2^24, that a batch carries along
OTHERS = ("presence", "label", "weight")
WINDOW_BYTES = 2 << 20


class Source(Protocol):
    """Rows of one part of a cohort, by windows."""

    def sizes(self, epoch: int) -> np.ndarray:
        """Rows in each window of an epoch, int (W,)."""

    def read(self, epoch: int, window: int) -> Rows:
        """Columns of one window: `features.NAME` float32 (n, F), `presence` bool (n, M), `label` and `weight` (n,).

        There may be whole numbers besides, `more.NAME` float32 (n,).
        """


class MemorySource:
    """Windows that are gathered from columns in memory.

    Args:
        columns: As `Source.read` gives them, of all rows.
        seed: Seed of the order; None keeps the rows as they stand.
        batch_size: Windows hold whole batches of this size.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], seed: int | None, batch_size: int) -> None:
        self.columns = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in columns.items()}
        self.num_rows = len(self.columns["label"])
        row_bytes = sum(values[:1].nbytes for values in self.columns.values())
        self.window_rows = max(1, WINDOW_BYTES // (row_bytes * batch_size or 1)) * batch_size
        self.seed = seed
        self._order: tuple[int, Tensor] | None = None

    def sizes(self, epoch: int) -> np.ndarray:
        """Rows in each window, int (W,)."""
        return np.diff([*range(0, self.num_rows, self.window_rows), self.num_rows])

    def read(self, epoch: int, window: int) -> Rows:
        """Columns of one window."""
        place = slice(window * self.window_rows, (window + 1) * self.window_rows)
        if self.seed is None:
            return {name: values[place] for name, values in self.columns.items()}
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.num_rows)
            self._order = epoch, torch.from_numpy(order)
        rows = self._order[1][place]
        # On rows of some hundred bytes, index_select is several times faster than values[rows].
        return {name: values.index_select(0, rows) for name, values in self.columns.items()}


class BatchLoader:
    """What a Trainer iterates over; it speaks Lightning's protocols for epochs (`sampler`) and for its place.

    A batch holds `features` (modality to float32 (B, F), 0 where absent), `presence` (bool (B, M), True = measured),
    `label` (float32 (B,), NaN where unknown) and `weight` (float32 (B,)); and whole numbers by their names,
    int64 (B,), where the source has more.

    Args:
        source: Where rows come from.
        batch_size: Subjects in a batch, of all processes together.
        num_workers: Processes that read windows ahead; any number gives the same batches.
        rank: Which share of every batch is handed out here.
        num_ranks: Into how many shares a batch is cut. Where a batch has fewer subjects than that, those who go
            without get a subject of weight 0.
    """

    def __init__(
        self, source: Source, batch_size: int, *, num_workers: int = 0, rank: int = 0, num_ranks: int = 1
    ) -> None:
        self.source, self.batch_size, self.num_workers = source, batch_size, num_workers
        self.rank, self.num_ranks = rank, num_ranks
        self._epoch = 0
        self._place = self._start = (0, 0)

    batch_sampler = None  # Lightning looks for it beside `sampler`

    @property
    def sampler(self) -> "BatchLoader":
        """Lightning calls `loader.sampler.set_epoch` before each epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Which order comes next."""
        self._epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """The place: epoch, and how many of its batches were handed out."""
        return dict(zip(("epoch", "batch"), self._place, strict=True))

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a place; other epochs start at their beginning."""
        self._place = self._start = (state["epoch"], state["batch"])

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return -(-int(self.source.sizes(self._epoch).sum()) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Read nothing before the first batch is asked for: Lightning makes the iterator before it sets the epoch."""
        epoch = self._epoch
        batch = self._start[1] if self._start[0] == epoch else 0
        self._start = (epoch, 0)
        for names, values in self._cut(epoch, batch):
            batch += 1
            self._place = (epoch, batch)
            own = dict(zip(names, values if self.num_ranks == 1 else self._share(values), strict=True))
            features = {name.removeprefix(FEATURES): own[name] for name in names if name.startswith(FEATURES)}
            more = {name.removeprefix(MORE): own[name].long() for name in names if name.startswith(MORE)}
            yield {"features": features, **more, **{name: own[name] for name in OTHERS}}

    def _windows(self, epoch: int, first: int, num_windows: int) -> Iterator[Rows]:
        read = partial(self.source.read, epoch)
        if not self.num_workers:
            yield from map(read, range(first, num_windows))
            return
        yield from DataLoader(
            _Windows(read),  # type: ignore[arg-type]
            batch_size=None,
            sampler=range(first, num_windows),
            num_workers=self.num_workers,
            prefetch_factor=1,  # windows are large
            collate_fn=_as_is,
            generator=torch.Generator(),  # the global one belongs to the training step
        )

    def _cut(self, epoch: int, batch: int) -> Iterator[tuple[Sequence[str], Values]]:
        """Names of the columns, the weight last, and their values in one batch."""
        sizes = self.source.sizes(epoch)
        ends = np.cumsum(sizes)
        first = int(np.searchsorted(ends, batch * self.batch_size, side="right"))
        skip = batch * self.batch_size - int(ends[first - 1] if first else 0)
        waiting: Values = ()
        names: list[str] = []
        for window in self._windows(epoch, first, len(sizes)):
            names = [*(name for name in window if name.startswith((FEATURES, MORE))), *OTHERS]
            values, skip = _slice([window[name] for name in names], skip, None), 0
            if waiting:
                missing = self.batch_size - len(waiting[0])
                waiting = tuple(torch.cat(pair) for pair in zip(waiting, _slice(values, 0, missing), strict=True))
                if len(waiting[0]) < self.batch_size:
                    continue
                yield names, waiting
                values, waiting = _slice(values, missing, None), ()
            for piece in zip(*(column.split(self.batch_size) for column in values), strict=True):
                if len(piece[0]) == self.batch_size:
                    yield names, piece
                elif len(piece[0]):  # copied, so that its window can go
                    waiting = tuple(column.clone() for column in piece)
        if waiting:
            yield names, waiting

    def _share(self, values: Values) -> Values:
        num_rows = len(values[0])
        start, stop = (num_rows * rank // self.num_ranks for rank in (self.rank, self.rank + 1))
        return _slice(values, start, stop) if start < stop else (*_slice(values[:-1], 0, 1), torch.zeros(1))


class _Windows:
    """A source of one epoch as a torch dataset."""

    def __init__(self, read: partial[Rows]) -> None:
        self.read = read

    def __getitem__(self, window: int) -> Rows:
        return self.read(window)


def _slice(values: Sequence[Tensor], start: int, stop: int | None) -> Values:
    return tuple(column[start:stop] for column in values)


def _as_is(window: Any) -> Any:
    """`read` made the tensors already."""
    return window
