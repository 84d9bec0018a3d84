"""Our networks, trained as the scripts pretrain and finetune do, and the controls from scratch and pooled."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast, get_args, get_type_hints

import numpy as np

import lightning_modules
from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.files import digest_of_file, digest_of_text
from cohorts.preprocessing import fit_preprocessing
from cohorts.splits import Split
from lightning_modules.bundle import Bundle, fresh_network
from lightning_modules.config import (
    FINETUNE_MASKING,
    CalibrationOptions,
    MaskingOptions,
    NetworkOptions,
    TrainingOptions,
    TransferOptions,
)
from lightning_modules.ensemble import Ensemble
from lightning_modules.experts import Trained, choose_replay, fit_first, fit_last, judged_parts, whom_to_train
from lightning_modules.finetune import FinetuneModule
from lightning_modules.masking import ModalityMasking, masking_for
from lightning_modules.module import GROUP, FusionModule
from lightning_modules.pretrain import PretrainModule
from lightning_modules.scoring import calibrate, score
from lightning_modules.training import fit

OURS, SCRATCH, POOLED = "attention", "scratch", "pooled"
FUSIONS = get_args(get_type_hints(NetworkOptions)["fusion"])
NETWORKS = (*FUSIONS, SCRATCH, POOLED)
Regime = Callable[[Ensemble, ModalityMasking, TrainingOptions], FusionModule]


def code_digest() -> str:
    """SHA-256 over the code that a network's scores follow from."""
    files = [*sorted(Path(lightning_modules.__path__[0]).rglob("*.py")), Path(__file__)]
    return digest_of_text("\n".join(digest_of_file(file) for file in files))


def fit_network(
    name: str, people: Cohort, split: Split, training: TrainingOptions
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Train a network, and calibrate it on the sparse tuning part.

    Args:
        name: A fusion, pretrained on the rich and fine-tuned on the sparse cohort with rich subjects replayed; or
            attention without pretraining: `scratch` on the sparse cohort alone, `pooled` on both.
        people: All subjects; those of the part held_out are not looked at.
        split: Training and tuning parts.
        training: How long and how fast, in both stages.

    Returns:
        A function of rows, int (n,), and of kept modalities, bool (n, M), that gives risks (n,).
    """
    options = NetworkOptions(fusion=cast(Any, name)) if name in FUSIONS else NetworkOptions()
    preprocessing = fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
    start = split.rows("sparse_train" if name in (SCRATCH, POOLED) else "rich_train")
    prevalence = float(people.label[start].mean())
    network = fresh_network(preprocessing, options, seed=training.seed, prevalence=prevalence)

    def train(regime: Regime, masking: MaskingOptions, weights: dict[str, float]) -> Trained:
        trained = whom_to_train(
            people, split, preprocessing, weights, num_groups=options.num_groups, seed=training.seed
        )
        fit_first(network, trained)
        policy, more = masking_for(masking, people, split, preprocessing)
        batches = CohortDataModule(
            people,
            split,
            preprocessing,
            train_weights=trained.part_weights,
            tuning_part=f"{trained.role}_tuning",
            batch_size=training.size_of_batch(len(trained.rows)),
            seed=training.seed,
            more={**more, GROUP: trained.group_of_all},
        )
        with TemporaryDirectory() as checkpoints:
            fit(regime(network, policy, training), batches, Path(checkpoints), title=name, logger=None)
        return trained

    if name in FUSIONS:
        train(PretrainModule, MaskingOptions(), {"rich": 1.0})
    finetune = partial(FinetuneModule, transfer=TransferOptions())
    replay = {SCRATCH: 0.0, POOLED: 1.0}.get(name)
    if replay is None:
        replay = choose_replay(people, split, preprocessing, options.num_groups, training.seed)
    fit_last(network, train(finetune, FINETUNE_MASKING, {"sparse": 1.0, "rich": replay}))
    bundle = Bundle(network, options, preprocessing, people.spec, {})
    bundle, _ = calibrate(bundle, people.take(split.rows(*judged_parts(options.num_groups))), CalibrationOptions())

    def predict(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        order = np.argsort(rows)
        shown = replace(people.take(rows))
        vars(shown)["presence"] = kept[order]  # a network does not read the inputs of what is absent
        scores = np.empty(len(rows))
        scores[order] = score(bundle, shown)
        return scores

    return predict
