"""A synthetic cohort as files: tables and arrays, a spec that is ready to use, and the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from cohorts.errors import raise_if
from cohorts.files import write_table, write_whole
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign, design_problems, modalities_of
from cohorts.synthetic.population import Population, Truth, bayes_scores, draw_population
from cohorts.synthetic.variants import DEMOGRAPHICS, VARIANTS
from cohorts.synthetic.world import World, make_world


def write_cohort(
    folder: Path,
    design: SyntheticDesign = SyntheticDesign(),
    absence: AbsenceDesign = AbsenceDesign(),
    sizes: SizeDesign = SizeDesign(),
) -> Truth:
    """Draw a cohort and write it: cohort.yaml, subjects.csv, one file a modality, and truth.csv, which no spec names.

    Every file has a row order of its own; a modality's file holds only those who have it. truth.csv has the columns
    subject_id and bayes_score.

    Args:
        folder: Existing folder.
        design: Who the subjects are, and what is known of them.
        absence: Who lacks what.
        sizes: How much one modality holds.

    Returns:
        The truth, from which `bayes_scores` gives the scores for any other pattern.

    Raises:
        InputError: With every problem of the design.
    """
    raise_if(design_problems(design, absence, sizes))
    world = make_world(design, absence, sizes)
    people = draw_population(design, world)
    rng = np.random.default_rng([design.seed, 3])
    digits = max(6, len(str(design.num_subjects)))
    subject_id = np.array([f"{number:0{digits}d}" for number in rng.permutation(design.num_subjects)])
    write_table(folder / "subjects.csv", _subject_table(design, people, subject_id, rng))
    evidence = {}
    for number, (name, instrument) in enumerate(world.instruments.items()):
        own = np.random.default_rng([design.seed, 4, number])
        rows = own.permutation(np.flatnonzero(people.presence[:, number]))
        evidence[name] = instrument.write(folder, subject_id, rows, people.state, own)
    write_whole(folder / "cohort.yaml", yaml.safe_dump(_spec(design, absence, world), sort_keys=False, width=120))
    truth = Truth(people, evidence, subject_id)
    scores = pd.DataFrame({"subject_id": subject_id, "bayes_score": bayes_scores(truth)})
    write_table(folder / "truth.csv", scores)
    return truth


def _subject_table(
    design: SyntheticDesign, people: Population, subject_id: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    variant = VARIANTS[design.variant]
    days = pd.to_timedelta(rng.integers(0, 4 * 365, len(subject_id)), unit="D")
    frame = pd.DataFrame(
        {
            "subject_id": subject_id,
            "site": np.array(variant.sites)[people.site],
            "since": (pd.Timestamp(variant.since) + days).strftime("%Y-%m-%d"),
            "age": variant.age[0] + variant.age[1] * people.age,
            "sex": np.where(people.male, "M", "F"),
            variant.label: people.label.astype(int),
        }
    )
    if design.weights:
        # Women were twice as likely to be sampled as men, and the older half 1.5 times as likely as the younger one.
        weight = np.where(people.male, 2.0, 1.0) * np.where(people.age > 0, 1.0, 1.5)
        frame["weight"] = weight / weight.mean()
    return frame.iloc[rng.permutation(len(frame))]


def _spec(design: SyntheticDesign, absence: AbsenceDesign, world: World) -> dict[str, Any]:
    variant = VARIANTS[design.variant]
    rich, *sparse, held_out = variant.sites
    tables: dict[str, Any] = {"subjects": {"files": "subjects.csv"}}
    modalities: dict[str, Any] = {
        DEMOGRAPHICS: {"kind": "tabular", "table": "subjects", "numeric": ["age"], "categorical": ["sex"]}
    }
    for name, instrument in world.instruments.items():
        table, modalities[name] = instrument.spec()
        tables |= table
    kinds = ", ".join(f"{name} ({kind})" for name, kind in modalities_of(design).items())
    return {
        "name": f"synthetic_{design.variant}",
        "title": variant.title,
        "source": f"Made by cohorts/synthetic, seed {design.seed}, absence {absence.mechanism}: {kinds}.",
        "licence": "Apache-2.0",
        "leakage_notes": "truth.csv holds the Bayes scores and must never become a feature.",
        "tables": tables,
        "subject_id": "subject_id",
        "roles": {
            "rich": f"site = '{rich}'",
            "sparse": " OR ".join(f"site = '{site}'" for site in sparse),
            "held_out": f"site = '{held_out}'",
        },
        "modalities": modalities,
        "label": f"{variant.label} = 1",
        "label_name": variant.label_name,
        **({"weight": "weight"} if design.weights else {}),
        "time": "since",
        "sensitive_features": {
            "sex": {"expression": "sex", "names": {"F": "female", "M": "male"}},
            "age": {"expression": "age", "bands": list(variant.bands)},
        },
        "site": "site",
    }
