"""Predictions of people with three modalities, and the scores of the complete ones under every subset."""

from itertools import combinations

import numpy as np
import pandas as pd

from validation.subsets import DRAWN, MISSINGNESS, Subsets

MODALITIES = ("ecg", "labs", "scan")
STRENGTHS = {"ecg": 0.5, "labs": 1.0, "scan": 2.0}


def make_people(num_subjects: int = 600, seed: int = 0) -> pd.DataFrame:
    """Held-out predictions; half of the people have everything, women less often the scan."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], num_subjects)
    scan = rng.random(num_subjects) < np.where(sex == "female", 0.5, 0.8)
    ecg = rng.random(num_subjects) < 0.8
    pattern = ["+".join(["ecg"] * int(e) + ["labs"] + ["scan"] * int(s)) for e, s in zip(ecg, scan, strict=True)]
    label = (rng.random(num_subjects) < 0.4).astype(int)
    return pd.DataFrame(
        {
            "subject_id": [f"patient-{number:05d}" for number in range(num_subjects)],
            "part": "held_out",
            "site": rng.choice(["east", "west"], num_subjects),
            "label": label,
            "score": 1 / (1 + np.exp(-(2 * label + rng.standard_normal(num_subjects) - 1))),
            "pattern": pattern,
            "sensitive.sex": sex,
            "sensitive.age": rng.choice(["<50", "50+"], num_subjects),
        }
    )


def make_table(people: pd.DataFrame, seed: int = 0, modalities: tuple[str, ...] = MODALITIES) -> pd.DataFrame:
    """Scores of the complete people, from one signal of each modality; draws show single modalities."""
    rng = np.random.default_rng(seed)
    complete = people[people["pattern"] == "+".join(MODALITIES)]
    label = complete["label"].to_numpy()
    signal = {name: STRENGTHS[name] * label + rng.standard_normal(len(label)) for name in MODALITIES}
    columns = {}
    for size in range(len(modalities), 0, -1):
        for subset in combinations(modalities, size):
            total = sum(STRENGTHS[name] * signal[name] for name in subset)
            columns["+".join(subset)] = 1 / (1 + np.exp(-total))
    for missingness in MISSINGNESS:
        for number in range(2):
            drawn = rng.choice(list(columns), len(label))
            columns[f"{DRAWN}{missingness}.{number}"] = np.array([columns[name][row] for row, name in enumerate(drawn)])
    return pd.DataFrame({"subject_id": complete["subject_id"].to_numpy(), **columns})


def make_subsets(people: pd.DataFrame, **options: object) -> Subsets:
    return Subsets.of(make_table(people, **options), people)  # type: ignore[arg-type]
