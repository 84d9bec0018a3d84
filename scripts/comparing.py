"""The steps of compare_fusions: train each model, score everybody under every subset of modalities, judge, explain."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.files import canonical_json, write_table, write_whole
from cohorts.preprocessing import Preprocessing
from lightning_modules.bundle import load_bundle
from lightning_modules.config import FINETUNE_MASKING, MaskingOptions, NetworkOptions, TrainingOptions, TransferOptions
from lightning_modules.masking import ModalityMasking
from lightning_modules.rows import Rows, rows_of
from lightning_modules.scoring import groups_of
from lightning_modules.shapley import gain_in_log_loss, shapley
from lightning_modules.simple_models import NAMES, fit_simple
from lightning_modules.subsets import Scorer, bundle_scorer, scores_under
from scripts.command_line import say
from scripts.comparison_setting import PARTS, Setting, record
from scripts.finetune import finetune
from scripts.pretrain import pretrain
from scripts.stage import Stage
from validation.comparison import FUSIONS, UNMASKED, compare, with_explanation
from validation.comparison_page import render
from validation.degradation import Scored

PAGE, DATA = "comparison.html", "comparison.json"
DEPLOYED, WITHOUT = "deployed.", "without."
MOST_EXPLAINED = 1000  # held-out people whose Shapley values are averaged


def train_networks(
    stage: Stage, network: NetworkOptions, masking: MaskingOptions, transfer: TransferOptions, **common: Any
) -> None:
    """Pretrain and fine-tune each fusion, and early fusion once more without any masking, in folders of the stage."""
    none = MaskingOptions(policy="none")
    ways = {name: (name, masking, FINETUNE_MASKING) for name in FUSIONS} | {UNMASKED: ("early", none, none)}
    for name, (fusion, first, then) in ways.items():
        folder = stage.folder / name
        pooling = network.pooling if fusion == "attention" else NetworkOptions.pooling
        of_network = replace(network, fusion=fusion, pooling=pooling)  # type: ignore[arg-type]
        pretrain(out=folder / "pretrain", network=of_network, masking=first, **common)
        finetune(out=folder / "finetune", pretrained=folder / "pretrain", masking=then, transfer=transfer, **common)


def judge(stage: Stage, setting: Setting, training: TrainingOptions, stated: Mapping[str, float]) -> None:
    """Score with every model, compare, explain the recommended one, and write the page and its twin."""
    files = {name: stage.folder / "scores" / f"{name}.parquet" for name in (*FUSIONS, UNMASKED, *NAMES)}
    own = {name: load_bundle(stage.folder / name / "finetune" / "bundle") for name in (*FUSIONS, UNMASKED)}
    preprocessing = own["attention"].preprocessing
    for name, file in files.items():
        if not file.exists():
            scorer = simple_of(name, setting, preprocessing, training) if name in NAMES else bundle_scorer(own[name])
            group = groups_of(own["attention"], setting.part("tuning"))
            write_scores(file, setting, scorer, preprocessing, group)
            say(f"{name}: scored under {len(setting.subsets)} subsets of modalities")
    scored = read_scores(files, setting)
    found = compare(record(setting, stated), scored["tuning"], scored["held_out"], setting.subsets)
    chosen = own[found["recommendation"]["fusion"]]
    found = with_explanation(found, *explain(setting, bundle_scorer(chosen), chosen.preprocessing))
    write_whole(stage.folder / DATA, canonical_json(found))
    write_whole(stage.folder / PAGE, render(found))


def simple_of(name: str, setting: Setting, preprocessing: Preprocessing, training: TrainingOptions) -> Scorer:
    """A simple model, fitted on the rich and sparse training people with the inputs that the networks read."""
    rows = setting.split.rows

    def of(*parts: str) -> Rows:
        chosen = setting.people.take(rows(*parts))
        return rows_of(chosen, preprocessing)

    policy = ModalityMasking(FINETUNE_MASKING, setting.people.presence[rows("sparse_train")])
    return fit_simple(name, of("rich_train", "sparse_train"), of("sparse_tuning"), policy, seed=training.seed)


def write_scores(
    file: Path, setting: Setting, scorer: Scorer, preprocessing: Preprocessing, tuning_group: np.ndarray
) -> None:
    """Score tuning and held-out people at deployment and under every subset: one row a person, one column a setting.

    Tuning people are scored out of the bag, by what never saw their group.
    """
    frames = []
    for name in PARTS:
        part, complete = setting.part(name), setting.complete(name)
        inputs, group = preprocessing.transform(part), tuning_group if name == "tuning" else None
        everything = np.ones((1, len(part.modalities)), dtype=bool)
        columns = {
            f"{DEPLOYED}{draw}": scores_under(scorer, inputs, shown, everything, group)[0]
            for draw, shown in enumerate(setting.shown(name))
        }
        under = scores_under(scorer, inputs, part.presence & complete[:, None], setting.subsets, group)
        columns |= dict(zip(setting.names, under, strict=True))
        one_less = np.vstack([everything, ~np.eye(len(part.modalities), dtype=bool)])
        each = scores_under(scorer, inputs, part.presence, one_less, group)
        columns |= {f"{WITHOUT}{m}": scores for m, scores in zip(["", *part.modalities], each, strict=True)}
        frames.append(pd.DataFrame({"subject_id": part.subject_id.astype(str), "part": name, **columns}))
    write_table(file, pd.concat(frames, ignore_index=True))


def read_scores(files: Mapping[str, Path], setting: Setting) -> dict[str, Scored]:
    """Part to what the judge sees of it: labels, and each model's scores."""
    tables = {model: pd.read_parquet(file) for model, file in files.items()}
    found = {}
    for name in PARTS:
        part, complete = setting.part(name), setting.complete(name)
        of_part = {model: table[table["part"] == name] for model, table in tables.items()}
        found[name] = Scored(
            label=part.label,
            weight=part.weight,
            deployed={model: _columns(table, DEPLOYED) for model, table in of_part.items()},
            complete=complete,
            under={model: table[setting.names].to_numpy().T[:, complete] for model, table in of_part.items()},
            presence=part.presence,
            without={model: _columns(table, WITHOUT) for model, table in of_part.items()},
        )
    return found


def _columns(table: pd.DataFrame, start: str) -> np.ndarray:
    return table[[name for name in table if str(name).startswith(start)]].to_numpy().T


def explain(
    setting: Setting, scorer: Scorer, preprocessing: Preprocessing
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shapley values of the modalities for held-out people, as gains in log loss; their weights and their presence.

    Returns:
        float64 (M, N), (N,) and bool (N, M). Who has nothing would get the share of positives among the tuning people.
    """
    part = setting.part("held_out")
    order = np.random.default_rng(0).permutation(len(part))
    some = part.take(np.sort(order[:MOST_EXPLAINED]))
    tuning = setting.part("tuning")
    nothing = float(np.average(tuning.label, weights=tuning.weight))
    inputs = preprocessing.transform(some)

    def value(subsets: np.ndarray) -> np.ndarray:
        return gain_in_log_loss(scores_under(scorer, inputs, some.presence, subsets), some.label, nothing)

    return shapley(value, len(some.modalities)), some.weight, some.presence
