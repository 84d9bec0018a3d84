"""Predictions that another tool made, from a file."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from numbers import Number
from pathlib import Path

import numpy as np
import pandas as pd

from cohorts.errors import InputError, raise_if
from validation.predictions import BASELINE, CONTROL, NOT_GIVEN, SENSITIVE, UNKNOWN, WEIGHT, check_predictions

REQUIRED = ("subject_id", "label", "score")
NUMBERS = ("label", "score", "champion", WEIGHT)
IF_ABSENT = {"part": "held_out", "site": NOT_GIVEN, "pattern": NOT_GIVEN}
KNOWN = ("subject_id", *NUMBERS, *IF_ABSENT)
PREFIXES = (SENSITIVE, CONTROL, BASELINE)
PLAIN = ("string", "integer", "floating", "boolean", "decimal", "mixed-integer-float", "empty")
# pyarrow's and pandas' parsing errors are ValueErrors; the others are those of what unpacks .csv.gz and its like
UNREADABLE = (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, tarfile.TarError)


def read_predictions(file: Path) -> pd.DataFrame:
    """Read and check a table of predictions.

    Args:
        file: Parquet or CSV (`.parquet`, `.csv`, `.csv.gz`), one row a subject, with the columns subject_id, label (0
            or 1) and score (a risk, 0 to 1). It may have: part ("tuning" or "held_out"; all are held out without it),
            site, pattern (names of the present modalities, joined by "+"), `sensitive.NAME` (groups; an empty one is
            "Unknown"), weight, and scores of others for the same subjects: `control.NAME`, `baseline.NAME`, champion.

    Returns:
        All columns of `validation.predictions`, in the order of the file; other columns are left out.

    Raises:
        InputError: It cannot be read, or cannot be judged; with every problem. A column whose name is one of these but
            for spaces and capitals is refused, rather than left out.
    """
    frame = _read(file)
    frame = frame[[name for name in frame if name in KNOWN or str(name).startswith(PREFIXES)]].copy()
    odd = {name: kind for name in frame if (kind := _odd_type(frame[name]))}
    raise_if([f"predictions {file}: {name} must hold texts or numbers, not {kind}" for name, kind in odd.items()])
    for absent, value in IF_ABSENT.items():
        if absent not in frame:
            frame[absent] = value
    for column in frame:
        if column in ("subject_id", *IF_ABSENT) or str(column).startswith(SENSITIVE):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), UNKNOWN).astype(str)
        else:
            frame[column] = _as_numbers(frame[column])
    check_predictions(frame)
    return frame.assign(label=frame["label"].astype(int)).reset_index(drop=True)


def _read(file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
            names = [str(name) for name in frame]
        else:
            frame = pd.read_csv(file, dtype={"subject_id": str})
            names = pd.read_csv(file, header=None, nrows=1, dtype=str).iloc[0].fillna("").tolist()
    except FileNotFoundError:
        raise InputError(f"predictions {file}: no such file; give a .parquet or .csv of one row a subject") from None
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"predictions {file}: cannot be read as Parquet or CSV ({reason})") from None
    raise_if([f"predictions {file}: {problem}" for problem in name_problems(names)])
    if file.suffix != ".parquet" and not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"predictions {file}: its rows have more values than its header has names; name every column")
    return frame


def name_problems(names: Sequence[str]) -> list[str]:
    """What is wrong with the names of the columns, as they stand in the file.

    Example:
        >>> name_problems(["subject_id", "label", "score", "Part", "age"])
        ['column `Part` is none that is known; if part is meant, call it so, and otherwise by a name less like it']
        >>> name_problems(["subject_id;label;score"])
        ['its columns seem to be separated by semicolons; separate them by commas']
    """
    for separator, word in {";": "semicolons", "\t": "tabs"}.items():
        if len(names) == 1 and separator in names[0]:
            return [f"its columns seem to be separated by {word}; separate them by commas"]
    meant = {name: _meant(name) for name in dict.fromkeys(names)}
    problems = [
        f"column `{name}` is none that is known; if {known} is meant, call it so, and otherwise by a name less like it"
        for name, known in meant.items()
        if known not in (None, name)
    ]
    problems += [
        f"{names.count(name)} columns are called {name}; give one"
        for name in meant
        if names.count(name) > 1 and meant[name]
    ]
    lacking = [name for name in REQUIRED if name not in meant.values()]
    return problems + [f"no column {name}; it must have subject_id, label and score" for name in lacking]


def _meant(name: str) -> str | None:
    """The known name that a column has but for spaces and capitals; None where it is like none."""
    plain = name.strip()
    prefix = next((prefix for prefix in PREFIXES if plain.casefold().startswith(prefix)), None)
    if prefix:
        return prefix + plain[len(prefix) :]
    return plain.casefold() if plain.casefold() in KNOWN else None


def _odd_type(values: pd.Series) -> str | None:
    """Types of the values that are neither texts nor numbers; None where all are, or are absent."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.categories.to_series()
    if pd.api.types.infer_dtype(values, skipna=True) in PLAIN:
        return None
    odd = {type(value).__name__ for value in values.dropna() if not isinstance(value, str | Number | np.bool_)}
    return ", ".join(sorted(odd)) or None


def _as_numbers(values: pd.Series) -> pd.Series:
    """As floats or integers; NaN for what is no number, and infinity for an integer too large for a float."""
    try:
        return pd.to_numeric(values, errors="coerce")
    except OverflowError:
        return pd.to_numeric(values.astype(str), errors="coerce")
