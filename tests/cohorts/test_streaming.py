"""The loader and its two sources: each row once, the same batches for every reader, from any place on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cohorts.batches import FEATURES, Batch, BatchLoader, MemorySource, Source
from cohorts.streaming import ParquetSource, digest_of, rows_in_a_group, write_rows

NUM_ROWS, BATCH_SIZE, GROUP_ROWS = 103, 8, 13
Columns = dict[str, np.ndarray]
MakeSource = Callable[[int | None], Source]


@pytest.fixture
def columns() -> Columns:
    """Values that tell their row; 103 rows are neither whole batches, whole row groups nor whole windows."""
    row = np.arange(NUM_ROWS, dtype=np.float32)
    return {
        f"{FEATURES}a": np.stack([row, -row, row / 7], axis=1),
        f"{FEATURES}label": row[:, None] * 2,  # a modality may be named like another column
        "presence": np.stack([row % 2 == 0, row % 3 == 0], axis=1),
        "label": row % 5,
        "weight": row + 1,
    }


@pytest.fixture
def path(columns: Columns, tmp_path: Path) -> Path:
    starts = range(0, NUM_ROWS, GROUP_ROWS)
    chunks = ({name: values[at : at + GROUP_ROWS] for name, values in columns.items()} for at in starts)
    write_rows(tmp_path / "rows.parquet", chunks, len(starts), "made of this")
    return tmp_path / "rows.parquet"


@pytest.fixture(params=["memory", "parquet"])
def make(request: pytest.FixtureRequest, columns: Columns, path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSource:
    monkeypatch.setattr("cohorts.batches.WINDOW_BYTES", 1500)  # some batches a window, several windows
    if request.param == "memory":
        return lambda seed: MemorySource(columns, seed, BATCH_SIZE)
    return lambda seed: ParquetSource(path, seed, groups_at_once=3)


def batches(loader: BatchLoader, epoch: int = 0) -> list[Batch]:
    loader.sampler.set_epoch(epoch)
    return list(loader)


def rows(of: list[Batch]) -> list[float]:
    return torch.cat([batch["features"]["a"][:, 0] for batch in of]).tolist()


def assert_same(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.keys() == b.keys() == {"features", "presence", "label", "weight"}
        pairs = [(a[name], b[name]) for name in ("presence", "label", "weight")]
        pairs += [(a["features"][name], b["features"][name]) for name in b["features"]]
        for left, right in pairs:
            assert left.dtype == right.dtype
            assert torch.equal(left, right)


def test_an_epoch_holds_every_row_once_and_its_parts_belong_together(make: MakeSource, columns: Columns) -> None:
    loader = BatchLoader(make(0), BATCH_SIZE)
    epoch = batches(loader)
    assert [len(batch["label"]) for batch in epoch] == [BATCH_SIZE] * 12 + [7]
    assert len(loader) == len(epoch)
    order = np.array(rows(epoch), dtype=int)
    assert sorted(order) == list(range(NUM_ROWS))
    for name, values in columns.items():
        key = name.removeprefix(FEATURES)
        found = torch.cat([batch["features"][key] if name != key else batch[key] for batch in epoch])
        np.testing.assert_array_equal(found.numpy(), values[order])


def test_the_order_is_new_in_every_epoch_and_under_every_seed(make: MakeSource) -> None:
    loader = BatchLoader(make(0), BATCH_SIZE)
    first = batches(loader, 0)
    assert rows(first) != rows(batches(loader, 1))
    assert rows(first) != rows(batches(BatchLoader(make(1), BATCH_SIZE), 0))
    assert_same(batches(loader, 0), first)
    assert rows(first) != sorted(rows(first))


def test_without_a_seed_rows_stay_in_order(make: MakeSource) -> None:
    assert rows(batches(BatchLoader(make(None), BATCH_SIZE), 3)) == list(range(NUM_ROWS))


def test_windows_mix_rows_of_distant_row_groups(path: Path) -> None:
    window = ParquetSource(path, 0, groups_at_once=4).read(0, 0)[f"{FEATURES}a"][:, 0].numpy()
    groups = window // GROUP_ROWS
    assert len(np.unique(groups)) == 4
    assert np.ptp(np.unique(groups)) > 3
    assert np.mean(np.diff(groups) == 0) < 0.6


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # of more workers than there are cores
@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_give_the_same_batches(make: MakeSource, num_workers: int) -> None:
    for epoch in (0, 1):
        expected = batches(BatchLoader(make(0), BATCH_SIZE), epoch)
        assert_same(batches(BatchLoader(make(0), BATCH_SIZE, num_workers=num_workers), epoch), expected)


def test_workers_leave_the_random_numbers_of_a_training_step_alone(make: MakeSource) -> None:
    before = torch.random.get_rng_state()
    batches(BatchLoader(make(0), BATCH_SIZE, num_workers=1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_processes_share_the_same_batches(make: MakeSource, num_ranks: int) -> None:
    whole = batches(BatchLoader(make(0), BATCH_SIZE))
    ranks = range(num_ranks)
    shares = [batches(BatchLoader(make(0), BATCH_SIZE, rank=rank, num_ranks=num_ranks)) for rank in ranks]
    for index, batch in enumerate(whole):
        assert rows([share[index] for share in shares]) == rows([batch])


def test_a_process_that_goes_without_a_subject_gets_one_of_no_weight(columns: Columns) -> None:
    source = MemorySource({name: values[:9] for name, values in columns.items()}, 0, BATCH_SIZE)
    last = [batches(BatchLoader(source, BATCH_SIZE, rank=rank, num_ranks=3))[-1] for rank in range(3)]
    weights = [batch["weight"].tolist() for batch in last]
    assert sorted(weights)[:2] == [[0.0], [0.0]]
    assert sorted(weights)[2] == batches(BatchLoader(source, BATCH_SIZE))[-1]["weight"].tolist()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_from_any_place_on_the_rest_of_the_epoch_follows(make: MakeSource, num_workers: int) -> None:
    whole = batches(BatchLoader(make(0), BATCH_SIZE), 2)
    after = batches(BatchLoader(make(0), BATCH_SIZE), 3)
    for place in range(len(whole) + 1):
        loader = BatchLoader(make(0), BATCH_SIZE, num_workers=num_workers if place == 5 else 0)
        loader.load_state_dict({"epoch": 2, "batch": place})
        assert len(loader) == len(whole)
        assert_same(batches(loader, 2), whole[place:])
        assert_same(batches(loader, 2), whole)  # a place counts once
        assert_same(batches(loader, 3), after)


def test_the_place_is_what_was_handed_out(make: MakeSource) -> None:
    loader = BatchLoader(make(0), BATCH_SIZE, num_workers=1)
    loader.sampler.set_epoch(4)
    iterator = iter(loader)
    for _ in range(3):
        next(iterator)
    assert loader.state_dict() == {"epoch": 4, "batch": 3}
    again = BatchLoader(make(0), BATCH_SIZE)
    again.load_state_dict(loader.state_dict())
    assert again.state_dict() == {"epoch": 4, "batch": 3}
    again.sampler.set_epoch(5)
    assert len(list(again)) == len(again)
    assert again.state_dict() == {"epoch": 5, "batch": len(again)}


def test_a_resumed_reader_reads_no_window_before_its_place(make: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(0)
    read: list[int] = []
    real = source.read
    monkeypatch.setattr(source, "read", lambda epoch, window: (read.append(window), real(epoch, window))[1])
    loader = BatchLoader(source, BATCH_SIZE)
    loader.load_state_dict({"epoch": 0, "batch": len(loader) - 1})
    assert len(list(loader)) == 1
    assert read == [len(source.sizes(0)) - 1]


def test_a_batch_larger_than_a_window_is_filled_from_several(path: Path) -> None:
    found = batches(BatchLoader(ParquetSource(path, 0, groups_at_once=1), 40))
    assert [len(batch["label"]) for batch in found] == [40, 40, 23]
    assert sorted(rows(found)) == list(range(NUM_ROWS))


def test_the_file_is_what_others_can_read(path: Path, columns: Columns) -> None:
    table = pq.read_table(path)
    assert table.column_names == list(columns)
    found = np.array(table.column("features.a").to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(found, columns["features.a"])
    assert str(table.schema.field("features.a").type) == "fixed_size_list<element: float not null>[3]"
    assert pq.read_metadata(path).num_row_groups == 8


def test_a_file_says_what_it_follows_from(path: Path, tmp_path: Path) -> None:
    assert digest_of(path) == "made of this"
    assert digest_of(tmp_path / "nothing.parquet") == ""
    (tmp_path / "other.parquet").write_bytes(b"PAR1 but broken")
    assert digest_of(tmp_path / "other.parquet") == ""


def test_wide_rows_make_small_row_groups() -> None:
    wide = {f"{FEATURES}omics": np.zeros((1, 100_000), np.float32)}
    assert rows_in_a_group(wide) == 10
    assert rows_in_a_group({f"{FEATURES}a": np.zeros((1, 10_000_000), np.float32)}) == 1


def test_writing_much_shows_a_progress_line_and_writing_little_none(
    columns: Columns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "little.parquet", [columns], 1, "")
    assert capsys.readouterr().err == ""
    write_rows(tmp_path / "much.parquet", [columns] * 30, 30, "")
    assert "preparing" in capsys.readouterr().err
