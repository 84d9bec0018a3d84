"""Predictions that another tool made, from a file."""

from pathlib import Path

import pandas as pd

from cohorts.errors import InputError
from validation.predictions import BASELINE, CONTROL, SENSITIVE, WEIGHT, check_predictions

NUMBERS = ("label", "score", "champion", WEIGHT)
NOT_GIVEN = {"part": "held_out", "site": "not given", "pattern": "not given"}
UNKNOWN = "Unknown"


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
        InputError: It cannot be read, or cannot be judged; with every problem.
    """
    frame = _read(file)
    prefixes = (SENSITIVE, CONTROL, BASELINE)
    known = ("subject_id", *NUMBERS, *NOT_GIVEN)
    frame = frame[[name for name in frame if str(name) in known or str(name).startswith(prefixes)]].copy()
    for absent, value in NOT_GIVEN.items():
        if absent not in frame:
            frame[absent] = value
    for column in frame:
        if column in ("subject_id", *NOT_GIVEN) or str(column).startswith(SENSITIVE):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), UNKNOWN).astype(str)
        else:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
    check_predictions(frame)
    return frame.assign(label=frame["label"].astype(int)).reset_index(drop=True)


def _read(file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype={"subject_id": str})
    except FileNotFoundError:
        raise InputError(f"predictions {file}: no such file; give a .parquet or .csv of one row a subject") from None
    except (OSError, ValueError) as error:  # pyarrow's and pandas' parsing errors are ValueErrors
        reason = str(error).partition("\n")[0]
        raise InputError(f"predictions {file}: cannot be read as Parquet or CSV ({reason})") from None
    lacking = [name for name in ("subject_id", "label", "score") if name not in frame]
    if lacking:
        raise InputError(
            [f"predictions {file}: no column {name}; it must have subject_id, label and score" for name in lacking]
        )
    return frame
