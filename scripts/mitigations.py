"""What mitigations would do to every group of the held-out cohort, for the report; none changes the verdict."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.case import Case
from validation.mitigation import AS_IT_IS, beside, mitigated
from validation.operating_point import operating_point
from validation.policy import Policy


def mitigations(
    case: Case, policy: Policy, table: pd.DataFrame, threshold: float, features: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Rates of groups under thresholds of their own, and by models that were trained with reweighed people.

    Args:
        case: With models that were fine-tuned with `transfer.reweigh`, by feature.
        policy: Whose rule gives each of these an operating point of its own.
        table: Predictions of tuning and held-out people.
        threshold: Operating point of the model that is judged.
        features: Sensitive features by which thresholds are fitted.

    Returns:
        As `validation.mitigation.beside`, and notes. Empty where nothing was asked for.
    """
    tuning, held_out = (table[table["part"] == part].reset_index(drop=True) for part in ("tuning", "held_out"))
    frames: list[pd.DataFrame] = []
    notes: list[str] = []
    for feature in features:
        groups = case.people.spec.declared_groups.get(feature, ())
        found = mitigated(
            tuning, held_out, feature, threshold, policy.alpha, least=policy.smallest_group, declared=groups
        )
        frames.append(found.table)
        notes += found.notes
    for feature, (tuned, scored) in _reweighed(case).items():
        point = operating_point(tuning.assign(score=tuned), policy.operating_point)
        name = f"fine-tuned with {feature} reweighed, at a threshold of its own of {point['threshold']:g}"
        ways = {AS_IT_IS: (held_out["score"] >= threshold).to_numpy(), name: scored >= point["threshold"]}
        frames.append(beside(held_out, feature, ways, policy.alpha, case.people.spec.declared_groups.get(feature, ())))
    rows = pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame()], ignore_index=True)
    return rows.drop_duplicates(ignore_index=True), notes


def unknown_features(case: Case, features: Sequence[str]) -> list[str]:
    """Problems of features that the cohort does not have, and of models that were not trained with them reweighed."""
    known = list(case.people.sensitive.columns)
    problems = [
        f"mitigate: no sensitive feature `{name}`; the cohort has {', '.join(known) or 'none'}"
        for name in features
        if name not in known
    ]
    for name, bundle in case.reweighed.items():
        trained = (bundle.provenance["options"].get("transfer") or {}).get("reweigh")
        if trained != name:
            problems.append(
                f"reweighed.{name}: was trained with transfer.reweigh {trained}; give what finetune made with "
                f"--transfer.reweigh {name}"
            )
    return problems


def _reweighed(case: Case) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Feature to the scores of tuning and of held-out people by the model that was trained with it reweighed."""
    from lightning_modules.scoring import score

    tuning = case.people.take(case.split.rows("sparse_tuning"))
    return {
        feature: (score(bundle, tuning, out_of_bag=True), score(bundle, case.held_out))
        for feature, bundle in case.reweighed.items()
    }
