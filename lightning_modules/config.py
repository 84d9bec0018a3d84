"""Options of network, masking and training. This module imports no torch, so that `--help` answers at once."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from cohorts.errors import InputError, raise_if

if TYPE_CHECKING:
    from cohorts.cohort import Cohort


@dataclass(frozen=True)
class NetworkOptions:
    """What the network is."""

    fusion: Literal["attention", "early", "intermediate", "late"] = "attention"
    """What becomes of an absent modality: attention takes no notice of it, early reads zeros as if they were measured,
    intermediate reads a learned placeholder, late drops its logit and renormalises the weights of the others."""
    pooling: Literal["attention", "mean"] = "attention"
    """Under the fusion `attention`: attention among the present modalities, or the plain mean of their tokens."""
    width: int = 32
    """Width of a token."""
    num_heads: int = 4
    """Attention heads; must divide the width."""
    num_blocks: int = 1
    """Attention blocks."""
    dropout: float = 0.2
    """Share of hidden units that a training step drops."""
    num_members: int = 4
    """Networks that are trained jointly, each without a fourth of the people, whom it can then judge: a multiple of 4;
    or 1, which is trained without the tuning people, who alone can then be judged."""
    additive: bool = True
    """Under the fusion `attention`: start from ridge logistic regression on all inputs, and learn what it misses."""
    boosting: bool = True
    """Under the fusion `attention`: mix in boosted trees, where that makes people outside of the bag better scored."""

    @property
    def num_groups(self) -> int:
        """Groups of people, each left out by some members."""
        return min(4, self.num_members)

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"network.{name}: must be at least 1 (value: {getattr(self, name)})"
            for name in ("width", "num_heads", "num_blocks")
            if getattr(self, name) < 1
        ]
        if self.num_members != 1 and (self.num_members < 4 or self.num_members % 4):
            found.append(f"network.num_members: must be 1 or a multiple of 4 (value: {self.num_members})")
        if not found and self.width % self.num_heads:
            found.append(
                f"network.num_heads: must divide network.width ({self.num_heads} does not divide {self.width})"
            )
        if not 0 <= self.dropout < 1:
            found.append(f"network.dropout: must be at least 0 and below 1 (value: {self.dropout})")
        if self.pooling != "attention" and self.fusion != "attention":
            found.append(
                f"network.pooling: {self.pooling} is a way of the fusion attention (value of network.fusion: "
                f"{self.fusion}); drop network.pooling"
            )
        return found


@dataclass(frozen=True)
class MaskingOptions:
    """Which present modalities a training step hides (also called modality dropout). Never all, and down to one."""

    policy: Literal["none", "rate", "random_rate", "empirical", "table"] = "empirical"
    """none; rate: each modality with one probability, or its own; random_rate: with a probability that each subject
    draws anew; empirical: patterns of the sparse training subjects; table: patterns that you state."""
    rate: float = 0.3
    """Under the policy `rate`, the probability that a present modality is hidden."""
    rates: dict[str, float] | None = None
    """Under the policy `rate`, modality to the probability that it is hidden, in place of `masking.rate`."""
    most_rate: float = 0.8
    """Under the policy `random_rate`, the highest probability: a subject draws one between 0 and this."""
    patterns: dict[str, float] | None = None
    """Under the policy `table`, pattern, such as `clinical+ecg`, to its weight: they are drawn in proportion."""
    given: tuple[str, ...] = ()
    """Under the policy `empirical`, sensitive features or `site`: a pattern is one of those sparse training subjects
    who have the same values; of them all, where fewer than 11 have."""
    share: float = 0.8
    """Share of the subjects in a step to whom the policy applies; the others keep what they have."""
    alone_share: float = 0.05
    """Share of the subjects in a step who are left with a single modality, so that each learns to stand alone."""
    curriculum: float = 0.0
    """Share of all training steps during which `masking.share` rises evenly from 0 to its value; 0 for none."""
    feature_rate: float = 0.0
    """Probability that a training step hides a feature of a present modality, each by itself, under any policy."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        names = ("rate", "most_rate", "share", "alone_share", "curriculum", "feature_rate")
        bounded = {name: getattr(self, name) for name in names}
        bounded |= {f"rates.{name}": rate for name, rate in (self.rates or {}).items()}
        found = [
            f"masking.{name}: must be between 0 and 1 (value: {value})"
            for name, value in bounded.items()
            if not 0 <= value <= 1
        ]
        return found + self._pattern_problems() + self._contradictions()

    def _pattern_problems(self) -> list[str]:
        if self.policy == "table" and not self.patterns:
            return ["masking.patterns: the policy table needs at least one pattern with a weight"]
        found, seen = [], set()
        for pattern, weight in (self.patterns or {}).items():
            if "" in names_in(pattern):
                found.append(f"masking.patterns: `{pattern}` lacks a name; join one or more modalities by +")
            if not 0 < weight < float("inf"):
                found.append(
                    f"masking.patterns: the weight of `{pattern}` must be above 0 (value: {weight}); drop the pattern"
                )
            if names_in(pattern) in seen:
                found.append(f"masking.patterns: `{pattern}` is there in another order too; add up the weights")
            seen.add(names_in(pattern))
        return found

    def _contradictions(self) -> list[str]:
        policies = {"rate": "rate", "rates": "rate", "most_rate": "random_rate", "patterns": "table"}
        policies |= {"given": "empirical"}
        changed = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        found = [
            f"masking.{name}: belongs to the policy {policy} (value of masking.policy: {self.policy}); "
            f"drop masking.{name}"
            for name, policy in policies.items()
            if name in changed and policy != self.policy
        ]
        if self.policy == "none":
            found += [
                f"masking.{name}: the policy none hides no modality; drop masking.{name}, or take another policy"
                for name in ("share", "alone_share", "curriculum")
                if name in changed
            ]
        return found

    def check(self, people: "Cohort") -> None:
        """Raise one InputError with every name that the cohort does not know."""
        covariates = [*people.sensitive.columns, *(["site"] if any(people.site != "") else [])]
        asked = {
            "rates": (list(self.rates or {}), people.modalities),
            "patterns": (sorted(frozenset().union(*map(names_in, self.patterns or {}))), people.modalities),
            "given": (list(self.given), covariates),
        }
        raise_if(
            [
                f"masking.{option}: the cohort has no `{name}`; it has {', '.join(known) or 'none'}"
                for option, (names, known) in asked.items()
                for name in names
                if name not in known
            ]
        )


FINETUNE_MASKING = MaskingOptions(policy="random_rate")  # what fine-tuning hides, unless it is told otherwise


def names_in(pattern: str) -> frozenset[str]:
    """Names of the modalities of a pattern.

    Example:
        >>> sorted(names_in("ecg + clinical"))
        ['clinical', 'ecg']
    """
    return frozenset(name.strip() for name in pattern.split("+"))


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast to train."""

    num_epochs: int = 30
    """Most passes over the training subjects."""
    batch_size: int | None = None
    """Subjects in a step; by default a fiftieth of the training subjects, but at least 64 and at most 256."""
    learning_rate: float = 3e-3
    """Highest learning rate of the one-cycle schedule."""
    weight_decay: float = 0.1
    """AdamW's weight decay."""
    patience: int = 10
    """Passes without a better log loss on the tuning subjects, after which training stops."""
    seed: int = 0
    """Seed of weights, order, masking and dropout."""
    accelerator: Literal["cpu", "gpu", "mps"] = "cpu"
    """Where to train."""
    num_threads: int = 1
    """CPU threads; with one, a seed gives the same numbers on any number of cores, and a small network is no slower."""
    batches: Literal["memory", "parquet"] = "memory"
    """Where inputs wait: in memory, or, for what is larger, in Parquet files that a stage writes, reads and removes."""
    num_workers: int = 0
    """Processes that prepare batches ahead; any number gives the same batches."""
    checkpoint_minutes: float = 5.0
    """Minutes after which a checkpoint is written in the middle of an epoch too; 0 for one after every step."""

    def size_of_batch(self, num_subjects: int) -> int:
        """Subjects in a step, where so many are trained on: `batch_size`, or what it is by default."""
        return self.batch_size or min(256, max(64, num_subjects // 50))

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"training.{name}: must be at least 1 (value: {getattr(self, name)})"
            for name in ("num_epochs", "batch_size", "patience", "num_threads")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        if not self.learning_rate > 0:
            found.append(f"training.learning_rate: must be above 0 (value: {self.learning_rate})")
        found += [
            f"training.{name}: must be at least 0 (value: {getattr(self, name)})"
            for name in ("weight_decay", "num_workers", "checkpoint_minutes")
            if not getattr(self, name) >= 0
        ]
        return found


@dataclass(frozen=True)
class ObjectiveOptions:
    """What pretraining minimises, beside the log loss of the label under masking."""

    unmasked: float = 1.0
    """Weight of the loss by which the network, under masking, comes to say what it says of the subject unmasked."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        if self.unmasked >= 0:
            return []
        return [f"objective.unmasked: must be at least 0 (value: {self.unmasked})"]


@dataclass(frozen=True)
class TransferOptions:
    """What fine-tuning keeps of the pretrained network and of the rich cohort, and by what it weighs people anew."""

    freeze: Literal["nothing", "encoders", "encoders_and_fusion"] = "nothing"
    """Which pretrained layers stay as they are."""
    replay_weight: float | None = None
    """Weight of a rich subject's loss beside a sparse one's, 0 for none; by default 0 without --pretrained, and else
    0.3 or 1: by which logistic regression serves the sparse people of training and tuning better, cross-fitted."""
    reweigh: str | None = None
    """Sensitive feature of which the label shall be independent among those who are trained on, by the weights of their
    losses (Kamiran and Calders 2012); early stopping goes by these weights too, calibration does not."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        if self.replay_weight is None or self.replay_weight >= 0:
            return []
        return [f"transfer.replay_weight: must be at least 0 (value: {self.replay_weight})"]

    def check(self, people: "Cohort") -> None:
        """Raise an InputError where the cohort has no such feature, or where no two of its groups have both labels."""
        if self.reweigh is None:
            return
        if self.reweigh not in people.sensitive:
            known = ", ".join(people.sensitive.columns) or "none"
            raise InputError(f"transfer.reweigh: the cohort has no sensitive feature `{self.reweigh}`; it has {known}")
        from cohorts.reweighing import with_both_labels

        sparse = people.role == "sparse"
        if len(with_both_labels(people.label[sparse], people.sensitive[self.reweigh][sparse].to_numpy())) < 2:
            raise InputError(
                f"transfer.reweigh: fewer than two groups of {self.reweigh} have both labels in the sparse cohort, so "
                "there is nothing to make independent; drop it, or name another feature"
            )


@dataclass(frozen=True)
class CalibrationOptions:
    """How the scores of a fine-tuned network come to mean what they say, on sparse subjects out of the bag."""

    method: Literal["auto", "none", "temperature", "platt", "beta"] = "auto"
    """auto: the simplest whose cross-fitted log loss no other betters by more than a standard error, maybe none."""
    by_pattern: bool = True
    """Whether patterns may have parameters of their own, drawn towards those of everybody."""


def check_accelerator(name: str) -> None:
    """Refuse an accelerator that this machine lacks, before anything is written.

    Raises:
        InputError: It is not there.
    """
    if name == "cpu":
        return
    import torch

    if not {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[name]:
        raise InputError(f"training.accelerator {name}: this machine has none that torch can use; take cpu")


def check_options(
    *options: NetworkOptions | MaskingOptions | TrainingOptions | ObjectiveOptions | TransferOptions,
) -> None:
    """Raise one InputError with the problems of all options."""
    raise_if([problem for option in options for problem in option.problems()])
