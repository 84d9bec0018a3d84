"""What is fitted all at once: the additive expert before the networks are trained, the others and the mixture after."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import torch

from cohorts.cohort import Cohort
from cohorts.missingness import count_patterns
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split, cross_fitting_groups
from lightning_modules.additive_fit import fit_additive, least_loss
from lightning_modules.boosting import fit_boosting
from lightning_modules.calibration_choice import mean_and_error
from lightning_modules.config import MaskingOptions
from lightning_modules.ensemble import NOBODY, Ensemble, Mixture, in_pieces, mixed
from lightning_modules.masking import ModalityMasking
from lightning_modules.rows import Rows, log_losses, rows_of

LEAST_COMMON = 11  # sparse training people with a pattern, from which it is a common one
LEAST_JUDGED = 50  # people, from which a mixture is chosen by them
REPLAY_WEIGHTS = (1.0, 0.3)
NUM_COPIES = 2  # with modalities hidden at random rates
MOST_ROWS = 100_000  # a random sample of more is enough for an expert, and fits into memory
FUSION_WEIGHTS, BOOSTING_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.25, 0.5, 0.75)
FUSION_START, BOOSTING_START = 0.5, 0.25  # until people say otherwise


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
class Trained:
    """Whom a stage trains on.

    Attributes:
        role: The cohort that the stage is for, rich or sparse.
        part_weights: Part of the split to the weight of a loss: of a cohort both are trained on, in groups.
        group_of_all: Of cross-fitting, of everybody in the cohort, int.
        rows: N people with the weights of their loss.
        group: Their groups, int (N,).
        judged: Who belongs to the cohort that the stage is for, bool (N,).
        deployed: Presence of the sparse training people, bool (n, M).
        seed: Of what is hidden in copies, and of trees.
    """

    role: str
    part_weights: dict[str, float]
    group_of_all: np.ndarray
    rows: Rows
    group: np.ndarray
    judged: np.ndarray
    deployed: np.ndarray
    seed: int

    @cached_property
    def copies(self) -> Rows:
        """The people NUM_COPIES times, with modalities hidden at random rates, and never all of them."""
        masking = ModalityMasking(MaskingOptions(policy="random_rate", share=1.0, alone_share=0.0), self.deployed)
        everybody = self.rows.take(np.tile(np.arange(len(self.rows)), NUM_COPIES))
        generator = torch.Generator().manual_seed(self.seed)
        shown = masking(torch.as_tensor(everybody.presence), generator).numpy()
        return replace(everybody, presence=shown, weight=everybody.weight / NUM_COPIES)


def whom_to_train(
    people: Cohort,
    split: Split,
    preprocessing: Preprocessing,
    weights: Mapping[str, float],
    *,
    num_groups: int,
    seed: int,
) -> Trained:
    """Whom a stage trains on.

    Args:
        people: Everybody.
        split: Who is in which part.
        preprocessing: Fitted.
        weights: Cohort, rich or sparse, to the weight of a loss; the first one is what the stage is for.
        num_groups: Of cross-fitting.
        seed: Of a sample, where there are very many people, and of copies.
    """
    of_parts = {f"{role}_{part}": weight for role, weight in weights.items() for part in ("train", "tuning")}
    role, group = next(iter(weights)), groups_in(people, split, num_groups)
    used = split.rows(*(part for part, weight in of_parts.items() if weight > 0))
    own = [f"{role}_train", f"{role}_tuning"]
    used, share = _sampled(used, np.isin(split.part[used], own), seed)
    rows = rows_of(people.take(used), preprocessing)
    weight = rows.weight / rows.weight.mean() * np.array([of_parts[part] for part in split.part[used]]) / share
    judged = np.isin(split.part[used], own)  # one site held out changes roles
    deployed = people.presence_of(preprocessing.fitted)[split.rows("sparse_train", "sparse_tuning")]
    return Trained(role, of_parts, group, replace(rows, weight=weight), group[used], judged, deployed, seed)


def _sampled(used: np.ndarray, own: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST_ROWS of these positions, those of the stage's own cohort first; and the share that is kept of the
    cohort of each, by whose inverse it counts for those who were left out.
    """
    kept, share, room = [], [], MOST_ROWS
    for some in (used[own], used[~own]):
        num = min(len(some), room)
        room -= num
        kept.append(some if num == len(some) else np.random.default_rng(seed).choice(some, num, replace=False))
        share.append(np.full(num, num / max(len(some), 1)))
    order = np.argsort(np.concatenate(kept))
    return np.concatenate(kept)[order], np.concatenate(share)[order]


def choose_replay(people: Cohort, split: Split, preprocessing: Preprocessing, num_groups: int, seed: int) -> float:
    """The weight of a rich subject's loss with which logistic regression serves the sparse people best, cross-fitted.

    It takes seconds, and what is too much of the rich cohort for it is too much for the networks that start from it.
    """
    trained = whom_to_train(
        people, split, preprocessing, {"sparse": 1.0, "rich": 1.0}, num_groups=num_groups, seed=seed
    )

    def loss(weight: float) -> float:
        rows = replace(trained.rows, weight=trained.rows.weight * np.where(trained.judged, 1.0, weight))
        return least_loss(preprocessing.layouts, rows, trained.group, trained.judged, num_groups)

    return min(REPLAY_WEIGHTS, key=loss)


def fit_first(network: Ensemble, trained: Trained) -> None:
    """Say which patterns are common, and fit the additive expert, from which the networks start.

    What `fit_last` gave a network that was fine-tuned before has no part in training it once more.
    """
    network.mixture, network.boosting = Mixture(), None
    patterns, counts = count_patterns(trained.deployed)
    network.learn_common(torch.as_tensor(patterns[counts >= LEAST_COMMON]))
    if network.additive is not None:
        fitted = fit_additive(
            network.layouts, trained.rows, trained.copies, trained.group, trained.judged, network.num_groups
        )
        network.additive.load_state_dict(fitted.state_dict())


def fit_last(network: Ensemble, trained: Trained) -> None:
    """Fit the boosting expert, and mix all parts by the log loss of the judged people, each out of the bag.

    Half of the networks on top of the additive expert, and a quarter of trees, come first; the best mixture is taken in
    their place where it betters the loss by more than a standard error. Trees without a share are dropped.
    """
    if network.options.fusion != "attention":
        return
    if network.options.boosting:
        everybody = (trained.rows, trained.copies, trained.group, trained.judged)
        network.boosting = fit_boosting(network.layouts, *everybody, network.num_groups, trained.seed)
    told = trained.judged & (trained.group != NOBODY)
    natural, hidden = trained.rows.take(told), trained.copies.take(np.tile(told, NUM_COPIES))
    group, person = trained.group[told], np.arange(told.sum())
    common = _mixture_of(network, natural, group, person, rare=False)
    rare = _mixture_of(network, hidden, np.tile(group, NUM_COPIES), np.tile(person, NUM_COPIES), rare=True)
    network.mixture = Mixture((common[0], rare[0]), (common[1], rare[1]))
    if not any(network.mixture.boosting):
        network.boosting = None


def _mixture_of(
    network: Ensemble, rows: Rows, group: np.ndarray, person: np.ndarray, *, rare: bool
) -> tuple[float, float]:
    """Weight of the networks and share of the trees for common or rare patterns, by who of these people shows one.

    Where those are fewer than LEAST_JUDGED, all of them choose.
    """
    chosen = network.rare(torch.as_tensor(rows.presence)).numpy() == rare
    if len(np.unique(person[chosen])) >= LEAST_JUDGED:
        rows, group, person = rows.take(chosen), group[chosen], person[chosen]
    judge = copy.deepcopy(network).double().eval()
    return mixture(in_pieces(judge.parts_of, rows.inputs, rows.presence, group), rows.label, rows.weight, person)


def mixture(parts: np.ndarray, label: np.ndarray, weight: np.ndarray, person: np.ndarray) -> tuple[float, float]:
    """Weight of the networks and share of the trees that these people choose.

    Args:
        parts: Logits of the additive expert, of the networks and of the trees, 0 where there is none: (3, N).
        label: 1 positive, 0 negative, (N,).
        weight: Of a person's loss, (N,).
        person: Number of who it is, int (N,), as copies of a person tell less than as many people.
    """

    def losses(setting: tuple[float, float]) -> np.ndarray:
        return log_losses(mixed(parts, *setting), label)

    has_additive, has_trees = bool(parts[0].any()), bool(parts[2].any())
    fusions = FUSION_WEIGHTS if has_additive else (1.0,)  # where the networks and trees are all that there is
    start = (FUSION_START if has_additive else 1.0, BOOSTING_START if has_trees else 0.0)
    best = min(product(fusions, BOOSTING_SHARES if has_trees else (0.0,)), key=lambda s: float(weight @ losses(s)))
    gain = losses(start) - losses(best)
    _, who = np.unique(person, return_inverse=True)
    of_person = np.bincount(who, weight)
    mean, error = mean_and_error(np.bincount(who, weight * gain) / of_person, of_person)
    return best if mean > error else start
