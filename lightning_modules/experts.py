"""What is fitted all at once: the additive expert before the networks are trained, the others and the mixture after."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from cohorts.cohort import Cohort
from cohorts.missingness import count_patterns
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split, cross_fitting_groups
from lightning_modules.additive import fit_additive
from lightning_modules.boosting import fit_boosting
from lightning_modules.ensemble import NOBODY, Ensemble, Mixture
from lightning_modules.rows import Rows, log_losses, rows_of

LEAST_COMMON = 11  # sparse training people with a pattern, from which it is a common one
LEAST_JUDGED = 50  # people, from which a mixture is chosen by them
NUM_COPIES, MOST_RATE = 2, 0.8  # copies with modalities hidden, at rates drawn between 0 and this
MOST_ROWS = 100_000  # a random sample of more is enough for an expert, and fits into memory
FUSION_WEIGHTS, BOOSTING_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0), (0.25, 0.5, 0.75)


def part_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Parts of a split to the weight of a loss, from cohorts to it: both of its parts are trained on, in groups.

    Example:
        >>> part_weights({"sparse": 1.0})
        {'sparse_train': 1.0, 'sparse_tuning': 1.0}
    """
    return {f"{role}_{part}": weight for role, weight in weights.items() for part in ("train", "tuning")}


def judged_parts(num_groups: int) -> tuple[str, ...]:
    """Parts of the sparse cohort that can be judged out of the bag: with several groups, who was trained on too."""
    return ("sparse_train", "sparse_tuning") if num_groups > 1 else ("sparse_tuning",)


def groups_in(people: Cohort, split: Split, num_groups: int) -> np.ndarray:
    """The group of every person for training, int (N,): with one group, the tuning people are it."""
    if num_groups > 1:
        return cross_fitting_groups(people.subject_id, num_groups)
    tuning = np.isin(split.part, ["rich_tuning", "sparse_tuning"])
    return np.where(tuning, 0, NOBODY)


@dataclass(frozen=True)
class Training:
    """Whom a stage trains on.

    Attributes:
        rows: N people with the weights of their loss.
        group: Of cross-fitting, int (N,).
        judged: Who belongs to the cohort that the stage is for, bool (N,).
        deployed: Presence of the sparse training people, bool (n, M).
        seed: Of what is hidden in copies, and of trees.
    """

    rows: Rows
    group: np.ndarray
    judged: np.ndarray
    deployed: np.ndarray
    seed: int

    def copies(self) -> Rows:
        """The people NUM_COPIES times, with modalities hidden at random rates, and never all of them."""
        rng = np.random.default_rng([self.seed, 11])
        presence = np.tile(self.rows.presence, (NUM_COPIES, 1))
        kept = presence & (rng.random(presence.shape) >= rng.uniform(0, MOST_RATE, (len(presence), 1)))
        last = np.where(presence, rng.random(presence.shape), -1.0).argmax(axis=1)
        bare = np.flatnonzero(~kept.any(axis=1))
        kept[bare, last[bare]] = True
        inputs = {name: np.tile(values, (NUM_COPIES, 1)) for name, values in self.rows.inputs.items()}
        weight = np.tile(self.rows.weight, NUM_COPIES) / NUM_COPIES
        return Rows(inputs, kept, np.tile(self.rows.label, NUM_COPIES), weight)


def training_of(
    people: Cohort,
    split: Split,
    preprocessing: Preprocessing,
    weights: Mapping[str, float],
    *,
    judged: str,
    num_groups: int,
    seed: int,
) -> Training:
    """Whom a stage trains on.

    Args:
        people: Everybody.
        split: Who is in which part.
        preprocessing: Fitted.
        weights: Part of the split to the weight of a loss.
        judged: The cohort that the stage is for, rich or sparse.
        num_groups: Of cross-fitting.
        seed: Of a sample, where there are very many people, and of copies.
    """
    used = split.rows(*(part for part, weight in weights.items() if weight > 0))
    if len(used) > MOST_ROWS:
        used = np.sort(np.random.default_rng(seed).choice(used, MOST_ROWS, replace=False))
    chosen = people.take(used)
    rows = rows_of(chosen, preprocessing)
    weight = rows.weight / rows.weight.mean() * np.array([weights[part] for part in split.part[used]])
    order = [people.modalities.index(name) for name in preprocessing.fitted]
    deployed = people.presence[split.rows(*part_weights({"sparse": 1.0}))][:, order]
    return Training(
        Rows(rows.inputs, rows.presence, rows.label, weight),
        groups_in(people, split, num_groups)[used],
        np.char.startswith(split.part[used].astype(str), judged),
        deployed,
        seed,
    )


def fit_first(network: Ensemble, training: Training) -> None:
    """Say which patterns are common, and fit the additive expert, from which the networks start."""
    patterns, counts = count_patterns(training.deployed)
    network.learn_common(torch.as_tensor(patterns[counts >= LEAST_COMMON]))
    if network.additive is not None:
        fitted = fit_additive(
            network.layouts, training.rows, training.copies(), training.group, training.judged, network.num_groups
        )
        network.additive.load_state_dict(fitted.state_dict())


def fit_last(network: Ensemble, training: Training) -> None:
    """Fit the boosting expert, and mix all parts by the log loss of the judged people, each out of the bag.

    The simplest comes first: the additive expert alone, then with the networks, then with trees too; each is taken only
    where it betters the loss by more than a standard error. Trees without a share are dropped.
    """
    if network.options.fusion != "attention":
        return
    if network.options.boosting:
        everybody = (training.rows, training.copies(), training.group, training.judged)
        network.boosting = fit_boosting(network.layouts, *everybody, network.num_groups, training.seed)
    told = training.judged & (training.group != NOBODY)
    rows, copies = training.rows.take(told), training.copies().take(np.tile(told, NUM_COPIES))
    group = training.group[told]
    natural, hidden = _parts(network, rows, group), _parts(network, copies, np.tile(group, NUM_COPIES))
    common, rare = ~natural["rare"], hidden["rare"]
    chosen = [_mix(natural, common if common.sum() >= LEAST_JUDGED else ~common | common)]
    chosen += [_mix(hidden, rare)] if rare.sum() >= LEAST_JUDGED else chosen
    network.mixture = Mixture(tuple(w for w, _ in chosen), tuple(s for _, s in chosen))  # type: ignore[arg-type]
    if not any(network.mixture.boosting):
        network.boosting = None


def _parts(network: Ensemble, rows: Rows, group: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of each part out of the bag, with labels and weights."""
    double, found = copy.deepcopy(network).double().eval(), []
    for start in range(0, len(rows), 8192):
        some = rows.take(np.arange(start, min(len(rows), start + 8192)))
        features = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in some.inputs.items()}
        with torch.inference_mode():
            group_B = torch.as_tensor(group[start : start + 8192])
            found.append(double.parts_of(features, torch.as_tensor(some.presence), group_B))
    names = ("additive", "fusion", "boosting", "rare")
    parts = {name: torch.cat(list(each)).numpy() for name, each in zip(names, zip(*found, strict=True), strict=True)}
    return {**parts, "label": rows.label, "weight": rows.weight}


def _mix(parts: dict[str, np.ndarray], of_whom: np.ndarray) -> tuple[float, float]:
    """Weight of the networks and share of the trees, by these people, bool (N,)."""
    of = {name: values[of_whom] for name, values in parts.items()}
    total = of["weight"].sum()

    def losses(weight: float, share: float) -> np.ndarray:
        logits = (1 - share) * (of["additive"] + weight * of["fusion"]) + share * of["boosting"]
        return log_losses(logits, of["label"])

    def mean(setting: tuple[float, float]) -> float:
        return float((of["weight"] * losses(*setting)).sum() / total)

    def better(tried: tuple[float, float], than: tuple[float, float]) -> bool:
        gain = of["weight"] * (losses(*than) - losses(*tried)) * len(of["label"]) / total
        return bool(gain.mean() > gain.std() / len(gain) ** 0.5)

    if not of["additive"].any():  # the networks are all that there is beside trees
        chosen = (1.0, 0.0)
    else:
        with_networks = min(((weight, 0.0) for weight in FUSION_WEIGHTS), key=mean)
        chosen = with_networks if better(with_networks, (0.0, 0.0)) else (0.0, 0.0)
    if of["boosting"].any():
        with_trees = min(((weight, share) for weight in FUSION_WEIGHTS for share in BOOSTING_SHARES), key=mean)
        chosen = with_trees if better(with_trees, chosen) else chosen
    return chosen
