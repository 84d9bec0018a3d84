"""A small ward that the tests of readers share: sixty patients, and a spec to which a test adds what it looks at."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, parse_spec

SIZE = 60
IDS = np.array([f"{number:04d}" for number in range(7, 7 + SIZE)])  # with leading zeros


def patients() -> pd.DataFrame:
    """Sites a, b and c; both classes in each; a weight, a date and a number of days for everybody."""
    number = np.arange(SIZE)
    return pd.DataFrame(
        {
            "patient": IDS,
            "site": np.select([number < 24, number < 48], ["a", "b"], "c"),
            "age": 20.0 + number,
            "sex": np.where(number % 3 == 0, "F", "M"),
            "died": (number // 2) % 2,
            "w": 0.5 + number,
            "day": number * 10,
            "admitted": pd.Timestamp("2020-01-01") + pd.to_timedelta(number * 10, unit="D"),
        }
    )


def content(modalities: dict[str, Any], tables: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Content of a spec: age and sex as the modality `history`, and what is given."""
    return {
        "name": "ward",
        "tables": {"patients": {"files": "patients.csv"}, **(tables or {})},
        "subject_id": "patient",
        "roles": {"rich": "site = 'a'", "sparse": "site = 'b'", "held_out": "site = 'c'"},
        "modalities": {"history": {"table": "patients", "numeric": ["age"], "categorical": ["sex"]}, **modalities},
        "label": "died = 1",
        **more,
    }


def make_spec(modalities: dict[str, Any], tables: dict[str, Any] | None = None, **more: Any) -> CohortSpec:
    return parse_spec(content(modalities, tables, **more), "ward")


def read(folder: Path, modalities: dict[str, Any], tables: dict[str, Any] | None = None, **more: Any) -> Cohort:
    """The cohort of a folder, into which the table of patients is written where it is not there."""
    if not (folder / "patients.csv").exists():
        patients().to_csv(folder / "patients.csv", index=False)
    return read_cohort(make_spec(modalities, tables, **more), folder)


def some_labs() -> pd.DataFrame:
    """Of every patient but each fifth: two numbers with a gap, and a code."""
    number = np.array([n for n in range(SIZE) if n % 5])
    hb = np.where(number % 7 == 0, np.nan, 8 + number / 10)
    return pd.DataFrame(
        {"patient": IDS[number], "hb": hb, "crp": number**2 / 4, "smoker": np.where(number % 2, "yes", "no")}
    )
