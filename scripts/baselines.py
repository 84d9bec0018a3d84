"""Simple models beside the model that is judged: fitted once, then found again by what they follow from."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.files import canonical_json, digest_of_text, write_table
from scripts.case import Case
from scripts.command_line import say
from validation.estimands import Auroc
from validation.predictions import BASELINE, PARTS

SCORES = "baselines.parquet"
RECIPE = 2  # counts up when a baseline would be fitted otherwise to the same people
SEED = 0


def baseline_scores(case: Case, folder: Path) -> pd.DataFrame:
    """Risks by simple models that were fitted to the training people of the case, with the model's preprocessing.

    The sparse tuning people chose one setting of each, which was fitted once more, to them too, for the held-out
    people. The scores are kept in the folder, whole or not at all, and found there by who asks for the same case again.

    Args:
        case: Whom to score, and whom to fit to.
        folder: Where `baselines.parquet` is, or will be.

    Returns:
        One row a person, first the sparse tuning people and then the held-out ones, each in the order of their cohort:
        subject_id, part ("tuning" or "held_out"), and `baseline.NAME` for each of simple_models.BASELINES, 0 to 1.
    """
    key, file = key_of(case), folder / SCORES
    kept = _kept(file)
    if kept is not None and kept.attrs.get("key") == key:
        say(f"baselines: found in {file}")
        return kept
    started, tuning = time.monotonic(), case.people.take(case.split.rows("sparse_tuning"))
    table = _scored(case, dict(zip(PARTS, (tuning, case.held_out), strict=True)))
    table.attrs["key"] = key
    write_table(file, table)
    say(f"baselines: {_summary(table, tuning)}; fitted in {time.monotonic() - started:.0f} s")
    return table


def key_of(case: Case) -> str:
    """SHA-256 over all that the scores follow from: people, their parts, inputs and recipe."""
    parts = [case.people.spec.digest, case.people.fingerprint, case.split.content, case.held_out.fingerprint]
    return digest_of_text(canonical_json([RECIPE, *parts, case.model.preprocessing.state()]))


def _kept(file: Path) -> pd.DataFrame | None:
    """What lies there, if it can be read."""
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError):
        return None


def _scored(case: Case, parts: Mapping[str, Cohort]) -> pd.DataFrame:
    from lightning_modules.rows import rows_of
    from lightning_modules.simple_models import BASELINES, fit_simple

    training, tuning = (
        rows_of(people, case.model.preprocessing)
        for people in (case.people.take(case.split.rows("rich_train", "sparse_train")), parts["tuning"])
    )
    scorers = {name: fit_simple(name, training, tuning, None, seed=SEED) for name in BASELINES}
    frames = []
    for part, people in parts.items():
        rows = rows_of(people, case.model.preprocessing)
        group = np.zeros(len(people), dtype=int) if part == PARTS[0] else None
        scores = {f"{BASELINE}{name}": score(rows.inputs, rows.presence, group) for name, score in scorers.items()}
        frames.append(pd.DataFrame({"subject_id": people.subject_id.astype(str), "part": part, **scores}))
    return pd.concat(frames, ignore_index=True)


def _summary(table: pd.DataFrame, tuning: Cohort) -> str:
    scores = table[table["part"] == "tuning"].filter(like=BASELINE)
    areas = {name: Auroc.of(tuning.label, scores[name].to_numpy(), tuning.weight).value for name in map(str, scores)}
    shown = [f"{name.removeprefix(BASELINE).replace('_', ' ')} {area:.3f}" for name, area in areas.items()]
    return f"AUROC of the tuning people {', '.join(shown)}"
