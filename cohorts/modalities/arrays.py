"""NumPy files: .npz with its own subject ids, or .npy whose rows a table names."""

import zipfile
import zlib

import numpy as np

from cohorts.codes import as_codes
from cohorts.errors import InputError, raise_if
from cohorts.limits import in_words
from cohorts.modality import EmbeddingModality, ImageModality
from cohorts.sources import find_file
from cohorts.tables import Database


def read_array(
    database: Database, name: str, modality: EmbeddingModality | ImageModality, *, dimensions: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an array in the order of the subject ids.

    Args:
        database: Whose ids, and where the file lies.
        name: Of the modality.
        modality: With a `file`.
        dimensions: How many the array may have, subjects included.

    Returns:
        Float32 (N, ...), any value where absent, and who is in it, bool (N,).

    Raises:
        InputError: There is no such array, or its rows do not belong to subjects.
    """
    file = find_file(database.data, str(modality.file), f"modality {name}")
    try:
        loaded = np.load(file, allow_pickle=False, mmap_mode="r" if file.suffix == ".npy" else None)
        if isinstance(loaded, np.ndarray) != (file.suffix == ".npy"):
            raise ValueError
        arrays = {"values": loaded} if file.suffix == ".npy" else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        raise InputError(
            f"modality {name}: {modality.file} cannot be read as a NumPy file of plain numbers and texts; export it "
            "again, ids as `ids.astype(str)`"
        ) from None
    values = arrays.get("values")
    if values is None or (file.suffix == ".npz" and "subject_id" not in arrays):
        raise InputError(
            f"modality {name}: {modality.file} needs the arrays subject_id and values; it has {', '.join(arrays)}"
        )
    if values.ndim not in dimensions or values.dtype.kind not in "biuf" or 0 in values.shape:
        raise InputError(
            f"modality {name}: the values of {modality.file} have shape {values.shape} and type {values.dtype}, where "
            f"numbers with {' or '.join(map(str, dimensions))} dimensions are needed"
        )
    row = _rows_of_ids(database, name, arrays["subject_id"], len(values)) if "subject_id" in arrays else None
    if row is None:
        row = _rows_of_table(database, name, modality, len(values))
    present = row >= 0
    taken = np.zeros((len(row), *values.shape[1:]), dtype=np.float32)
    with np.errstate(over="ignore"):  # what a float32 cannot hold becomes infinite, which is refused
        taken[present] = values[row[present]]
    return taken, present


def _rows_of_ids(database: Database, name: str, ids: np.ndarray, num_rows: int) -> np.ndarray:
    if ids.ndim != 1 or len(ids) != num_rows or ids.dtype.kind not in "iuUS":
        raise InputError(
            f"modality {name}: has subject ids of shape {ids.shape} and type {ids.dtype} for {num_rows} rows; give "
            "one text for each row"
        )
    texts = np.char.decode(ids, "utf-8", "replace") if ids.dtype.kind == "S" else ids.astype(str)
    if len(np.unique(texts)) < len(texts):
        raise InputError(
            f"modality {name}: {in_words(len(texts) - len(np.unique(texts)))} rows repeat a subject id; keep one each"
        )
    place = {text: number for number, text in enumerate(texts.tolist())}
    row = np.array([place.get(str(subject), -1) for subject in database.subject_id], dtype=int)
    if (row < 0).all():
        raise InputError(f"modality {name}: none of its subject ids is in the subject table; write them alike")
    strangers = len(texts) - int((row >= 0).sum())
    if strangers:
        database.notes.append(f"modality {name}: {in_words(strangers)} rows belong to nobody, and are left out")
    return row


def _rows_of_table(
    database: Database, name: str, modality: EmbeddingModality | ImageModality, num_rows: int
) -> np.ndarray:
    table, column = str(modality.table), str(modality.row_column)
    if database.lacks(f"modality {name}", table, [column]):
        return np.full(len(database.subject_id), -1)
    texts = as_codes(database.columns(table, [column])[column])
    known = texts.notna().to_numpy(dtype=bool)
    whole = texts[known].str.fullmatch(r"\d+").to_numpy(dtype=bool)
    row = np.full(len(texts), -1)
    row[np.flatnonzero(known)[whole]] = texts[known][whole].astype(float).clip(upper=num_rows).astype(int)
    wrong = int((~whole).sum()) + int((row >= num_rows).sum())
    twice = int(_repeats(row[(row >= 0) & (row < num_rows)]))
    faults = [(wrong, f"are no row of {modality.file}, which has {num_rows}"), (twice, "name a row again")]
    raise_if(
        [
            f"modality {name}: {in_words(count)} values of {table}.{column} {fault}; mend the column"
            for count, fault in faults
            if count
        ]
    )
    return row


def _repeats(rows: np.ndarray) -> int:
    """How many values repeat another."""
    return len(rows) - len(np.unique(rows))
