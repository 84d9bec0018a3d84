"""What the description of a made-up cohort costs: binning of its events, its fingerprint and its checks."""

import numpy as np
import pandas as pd

from cohorts.checks import problems_of
from cohorts.cohort import Cohort
from cohorts.concerns import concerns_about
from cohorts.modalities.events import Events, fit_events
from cohorts.modalities.measurements import Measurements
from cohorts.modalities.tabular import Tabular
from cohorts.modality import EventsModality
from cohorts.spec import CohortSpec
from scripts.benchmarks.batches import best_of

NUM_VARIABLES, EVENTS_A_SUBJECT, HOURS = 37, 420, 48


def events(num_events: int) -> dict[str, float]:
    """Seconds to fit events like those of PhysioNet 2012 and to put them into hourly bins."""
    rng = np.random.default_rng(0)
    num_subjects = max(20, num_events // EVENTS_A_SUBJECT)
    start = np.concatenate([[0], np.sort(rng.integers(0, num_events, num_subjects - 1)), [num_events]])
    subject = np.repeat(np.arange(num_subjects), np.diff(start))
    time = rng.uniform(0, HOURS, num_events)
    common = 1 / np.arange(1, NUM_VARIABLES + 1)  # a few variables are charted hourly, most now and then
    variable = rng.choice(NUM_VARIABLES, num_events, p=common / common.sum()).astype(np.int16)
    names = tuple(f"variable_{number}" for number in range(NUM_VARIABLES))
    order = np.lexsort((time, subject))
    measured = Events(start, time[order], variable, rng.normal(80, 20, num_events), names)
    modality = EventsModality(
        kind="events",
        table="events",
        time="hour",
        variable="name",
        value="value",
        variables=list(names),
        window=(0, HOURS),
        num_bins=HOURS,
        several_by_variable={names[1]: "sum", names[2]: "last"},
    )
    fitting = best_of(lambda: fit_events(measured, modality))
    fitted = fit_events(measured, modality)
    binning = best_of(lambda: fitted.transform(measured))
    return {"fit_seconds": round(fitting, 2), "bin_seconds": round(binning, 2), "seconds": round(fitting + binning, 2)}


def checks(num_subjects: int, num_columns: int) -> dict[str, float]:
    """Seconds for the fingerprint and for all checks of a cohort with three tabular modalities."""
    cohort = _cohort(num_subjects, num_columns)
    # A fingerprint and presence are kept by a cohort, so that each time needs a new one.
    fingerprint = best_of(lambda: cohort.take(np.arange(num_subjects)).fingerprint)
    checking = best_of(lambda: _check(cohort.take(np.arange(num_subjects))), 1)
    return {
        "fingerprint_seconds": round(fingerprint, 2),
        "check_seconds": round(checking, 2),
        "seconds": round(fingerprint + checking, 2),
    }


def _check(cohort: Cohort) -> None:
    problems_of(cohort, labelled=True)
    concerns_about(cohort)


def _cohort(num_subjects: int, num_columns: int) -> Cohort:
    rng = np.random.default_rng(0)
    names = [f"modality_{number}" for number in (1, 2, 3)]
    listed = dict(zip(names, np.array_split([f"column_{number}" for number in range(num_columns)], 3), strict=True))
    spec = CohortSpec.model_validate(
        {
            "name": "benchmark",
            "subject_id": "subject_id",
            "tables": {name: {"files": f"{name}.parquet"} for name in names},
            "modalities": {name: {"table": name, "numeric": columns.tolist()} for name, columns in listed.items()},
            "label": "outcome = 1",
            "site": "site",
            "roles": {"rich": "site = 'a'", "sparse": "site = 'b'", "held_out": "site = 'c'"},
            "sensitive_features": {"sex": {"expression": "sex", "names": {"F": "female", "M": "male"}}},
        }
    )
    features: dict[str, Measurements] = {}
    for name, columns in listed.items():
        values = rng.standard_normal((num_subjects, len(columns)))
        values[rng.random(num_subjects) < 0.3 * (name != names[0])] = np.nan
        features[name] = Tabular(pd.DataFrame(values, columns=columns))
    role = rng.choice(["rich", "sparse", "held_out"], num_subjects)
    return Cohort(
        spec=spec,
        subject_id=np.array([f"{number:09d}" for number in range(num_subjects)], dtype=object),
        role=role.astype(object),
        features=features,
        label=(rng.random(num_subjects) < 0.3).astype(float),
        sensitive=pd.DataFrame({"sex": rng.choice(["female", "male"], num_subjects)}),
        site=role.astype(object),
        weight=np.ones(num_subjects),
        time=np.full(num_subjects, np.nan),
        row=np.arange(num_subjects),
    )
