"""What pretrain and finetune share before training: the cohort with its split, batches, and where weights start."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cohorts.cohort import Cohort
from cohorts.errors import InputError, raise_if
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.splits import Split, make_split
from scripts.command_line import say
from scripts.stage import CHECKPOINTS, Stage

if TYPE_CHECKING:
    import numpy as np

    from cohorts.datamodule import CohortDataModule
    from cohorts.preprocessing import Preprocessing
    from lightning_modules.bundle import Bundle
    from lightning_modules.config import NetworkOptions, TrainingOptions
    from lightning_modules.experts import Trained

MOST_CONCERNS = 6
_told: set[str] = set()  # fingerprints of cohorts
BUNDLE, METRICS, SPLIT = "bundle", "metrics.json", "split.parquet"


def read_and_split(cohort: str, data: Path | None, held_out_site: str | None = None) -> tuple[Cohort, Split]:
    """The cohort of a spec with its frozen split, or with one site held out."""
    spec = load_spec(cohort)
    try:
        people = read_cohort(spec.with_held_out_site(held_out_site) if held_out_site else spec, data)
    except InputError as error:
        nobody = [problem for problem in error.problems if problem.startswith("cohort held_out: no subject")]
        if not (held_out_site and nobody):
            raise
        sites = ", ".join(sorted(set(read_cohort(spec, data).site.astype(str))))
        raise InputError(f"held_out_site {held_out_site}: nobody in a cohort is there; the sites are {sites}") from None
    return people, make_split(people, data)


def say_concerns(people: Cohort) -> None:
    """Tell the most important of what the checks find, once a process, before a model sees the cohort.

    Raises:
        InputError: Something is wrong that would make a model worthless, such as the label among the features.
    """
    from cohorts.concerns import concerns_about

    if people.fingerprint in _told:
        return
    _told.add(people.fingerprint)
    concerns = concerns_about(people)
    raise_if([f"{c.kind}: {c.sentence}" for c in concerns if c.severity == "error"])
    for concern in concerns[:MOST_CONCERNS]:
        say(f"note: {concern.kind}: {concern.sentence}")
    if len(concerns) > MOST_CONCERNS:
        say(f"note: {len(concerns) - MOST_CONCERNS} more concerns; r2s-describe shows all of them")


def digests(people: Cohort, split: Split, **more: str) -> dict[str, str]:
    """What a trained model follows from, besides its options."""
    return {"spec": people.spec.digest, "cohort": people.fingerprint, "split": split.fingerprint, **more}


def make_batches(
    stage: Stage,
    people: Cohort,
    split: Split,
    preprocessing: "Preprocessing",
    training: "TrainingOptions",
    trained: "Trained",
    more: Mapping[str, "np.ndarray"],
) -> "CohortDataModule":
    """Batches as the options say; Parquet files lie among the checkpoints, and go when they do."""
    from cohorts.datamodule import CohortDataModule
    from lightning_modules.module import GROUP

    return CohortDataModule(
        people,
        split,
        preprocessing,
        train_weights=trained.part_weights,
        tuning_part=f"{trained.role}_tuning",
        batch_size=training.size_of_batch(len(trained.rows)),
        seed=training.seed,
        more={**more, GROUP: trained.group_of_all},
        num_workers=training.num_workers,
        prepared=stage.folder / CHECKPOINTS / "batches" if training.batches == "parquet" else None,
    )


def starting_point(
    people: Cohort, split: Split, pretrained: Path | None, network: "NetworkOptions", seed: int
) -> "Bundle":
    """The pretrained bundle, or an untrained one with digest "".

    Raises:
        InputError: The pretrained bundle was made for another spec, or from other training subjects.
    """
    from cohorts.preprocessing import fit_preprocessing
    from lightning_modules.bundle import Bundle, check_same_inputs, fresh_network, load_bundle
    from lightning_modules.manifest import find_bundle

    if pretrained is None:
        preprocessing = fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
        prevalence = float(people.label[split.rows("sparse_train")].mean())
        model = fresh_network(preprocessing, network, seed=seed, prevalence=prevalence)
        return Bundle(model, network, preprocessing, people.spec, {})
    bundle = load_bundle(find_bundle(pretrained))
    check_same_inputs(bundle, people.spec)
    if bundle.provenance["depends_on"]["split"] != split.fingerprint:
        raise InputError(
            f"pretrained {pretrained}: was trained on another split, so it may have seen those who are tuned on now; "
            "pretrain again on this cohort"
        )
    return bundle
