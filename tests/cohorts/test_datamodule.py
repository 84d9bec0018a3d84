"""Batches of a cohort: its own people with their own weights, from memory and from Parquet alike."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cohorts.batches import BatchLoader
from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.errors import InputError
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split

Make = Callable[..., CohortDataModule]


@pytest.fixture
def make(people: Cohort, split: Split, preprocessing: Preprocessing) -> Make:
    def module(cohort: Cohort = people, prepared: Path | None = None, **options: object) -> CohortDataModule:
        given = {"train_weights": {"sparse_train": 1.0, "rich_train": 0.5}, "batch_size": 32, "seed": 0, **options}
        found = CohortDataModule(
            cohort,
            split,
            preprocessing,
            tuning_part="sparse_tuning",
            prepared=prepared,
            **given,  # type: ignore[arg-type]
        )
        found.prepare_data()
        return found

    return module


def table(loader: BatchLoader) -> np.ndarray:
    """All that a loader hands out, one row a subject, sorted."""
    parts = []
    for batch in loader:
        blocks = [*(batch["features"][name] for name in sorted(batch["features"])), batch["presence"].float()]
        parts.append(torch.cat([*blocks, batch["label"][:, None], batch["weight"][:, None]], dim=1))
    found = torch.cat(parts).numpy()
    return found[np.lexsort(found.T)]


def test_parquet_holds_the_same_people_as_memory(make: Make, tmp_path: Path) -> None:
    memory, parquet = make(), make(prepared=tmp_path / "batches")
    assert sorted(os.listdir(tmp_path / "batches")) == ["train.parquet", "tuning.parquet"]
    np.testing.assert_array_equal(table(memory.train_dataloader()), table(parquet.train_dataloader()))
    for a, b in zip(memory.val_dataloader(), parquet.val_dataloader(), strict=True):
        assert torch.equal(a["label"], b["label"])
        assert all(torch.equal(a["features"][name], b["features"][name]) for name in a["features"])


def test_batches_hold_the_inputs_of_the_training_people_and_of_nobody_else(
    make: Make, people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    rows = split.rows("sparse_train", "rich_train")
    inputs = preprocessing.transform(people)
    weight = np.where(split.part[rows] == "sparse_train", 1.0, 0.5)
    blocks = [inputs[name][rows] for name in sorted(inputs)]
    expected = np.column_stack([*blocks, people.presence[rows], people.label[rows], weight]).astype(np.float32)
    np.testing.assert_array_equal(table(make().train_dataloader()), expected[np.lexsort(expected.T)])


def test_the_weight_of_a_loss_follows_part_and_survey_weight(make: Make, people: Cohort, split: Split) -> None:
    own = np.random.default_rng(0).uniform(0.5, 40, len(people))
    rows = split.rows("sparse_train", "rich_train")
    expected = np.where(split.part[rows] == "sparse_train", 1.0, 0.5) * own[rows] / own[rows].mean()
    loader = make(cohort=replace(people, weight=own)).train_dataloader()
    found = np.concatenate([batch["weight"].numpy() for batch in loader])
    np.testing.assert_array_equal(np.sort(found), np.sort(expected.astype(np.float32)))


def test_prepared_files_hold_no_subject_ids_and_not_their_order(
    make: Make, people: Cohort, split: Split, tmp_path: Path
) -> None:
    make(prepared=tmp_path / "batches")
    for path in (tmp_path / "batches").iterdir():
        content = path.read_bytes()
        assert not any(subject.encode() in content for subject in people.subject_id)
        assert not {"subject_id", "site"} & set(pq.read_schema(path).names)
    label = pq.read_table(tmp_path / "batches" / "train.parquet")["label"].to_numpy()
    mine = people.label[split.rows("sparse_train", "rich_train")]
    assert len(label) == len(mine)
    assert not np.array_equal(label, mine)


def test_prepared_files_are_kept_for_the_same_input_and_made_anew_for_other_input(
    make: Make, people: Cohort, tmp_path: Path
) -> None:
    make(prepared=tmp_path / "batches")
    path = tmp_path / "batches" / "train.parquet"
    first = path.stat().st_ino
    make(prepared=tmp_path / "batches")
    assert path.stat().st_ino == first
    label = 1 - people.label
    module = make(cohort=replace(people, label=label), prepared=tmp_path / "batches")
    np.testing.assert_array_equal(
        table(module.train_dataloader()), table(make(cohort=replace(people, label=label)).train_dataloader())
    )


def test_a_writing_that_was_killed_leaves_nothing_that_is_read(make: Make, tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        import cohorts.datamodule

        written = []

        def dies(path: Path, *rest: object) -> None:
            written.append(path.write_bytes(b"half"))
            if len(written) == 2:
                os.kill(os.getpid(), 9)

        cohorts.datamodule.write_rows = dies  # type: ignore[assignment]
        make(prepared=tmp_path / "batches")
    assert os.waitpid(child, 0)[1] == 9
    assert len(os.listdir(tmp_path)) == 1
    assert not (tmp_path / "batches").exists()
    module = make(prepared=tmp_path / "batches")
    assert os.listdir(tmp_path) == ["batches"]
    assert len(table(module.train_dataloader())) > 0


def test_a_folder_of_something_else_is_not_removed(make: Make, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="already there, and would be overwritten"):
        make(prepared=tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_place_is_for_the_next_loader_and_for_no_later_one(make: Make) -> None:
    module = make()
    num_batches = len(list(module.train_dataloader()))
    assert module.state_dict() == {"epoch": 0, "batch": num_batches}
    again = make()
    assert again.state_dict() == {}
    again.load_state_dict({"epoch": 0, "batch": 2})
    assert len(list(again.train_dataloader())) == num_batches - 2
    assert len(list(again.train_dataloader())) == num_batches


def test_whole_numbers_stay_with_their_people(make: Make, people: Cohort, split: Split, tmp_path: Path) -> None:
    numbers = np.arange(len(people))
    for module in (make(more={"place": numbers}), make(more={"place": numbers}, prepared=tmp_path / "batches")):
        places = []
        for batch in module.train_dataloader():
            places += batch["place"].tolist()
            assert torch.equal(batch["label"], torch.as_tensor(people.label[batch["place"]], dtype=torch.float32))
        assert sorted(places) == split.rows("sparse_train", "rich_train").tolist()


def test_parquet_of_other_whole_numbers_is_written_again(make: Make, people: Cohort, tmp_path: Path) -> None:
    for factor in (1, 2):
        module = make(more={"place": factor * np.arange(len(people))}, prepared=tmp_path / "batches")
    assert max(batch["place"].max() for batch in module.train_dataloader()) > len(people)
