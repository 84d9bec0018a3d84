"""Options of network, masking and training. This module imports no torch, so that `--help` answers at once."""

from dataclasses import dataclass
from typing import Literal

from cohorts.errors import raise_if


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

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"network.{name}: must be at least 1 (value: {getattr(self, name)})"
            for name in ("width", "num_heads", "num_blocks")
            if getattr(self, name) < 1
        ]
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

    policy: Literal["none", "rate", "empirical"] = "empirical"
    """none; rate: each modality with one probability; empirical: patterns drawn from the sparse training subjects."""
    rate: float = 0.3
    """Under the policy `rate`, the probability that a present modality is hidden."""
    share: float = 0.8
    """Share of the subjects in a step to whom the policy applies; the others keep what they have."""
    alone_share: float = 0.05
    """Share of the subjects in a step who are left with a single modality, so that each learns to stand alone."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        return [
            f"masking.{name}: must be between 0 and 1 (value: {getattr(self, name)})"
            for name in ("rate", "share", "alone_share")
            if not 0 <= getattr(self, name) <= 1
        ]


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast to train."""

    num_epochs: int = 60
    """Most passes over the training subjects."""
    batch_size: int = 64
    """Subjects in a step."""
    learning_rate: float = 3e-3
    """Highest learning rate of the one-cycle schedule."""
    weight_decay: float = 0.1
    """AdamW's weight decay."""
    patience: int = 15
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

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"training.{name}: must be at least 1 (value: {getattr(self, name)})"
            for name in ("num_epochs", "batch_size", "patience", "num_threads")
            if getattr(self, name) < 1
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
class TransferOptions:
    """What fine-tuning keeps of the pretrained network and of the rich cohort."""

    encoder_rate: float = 1.0
    """Learning rate of the encoders, as a multiple of `training.learning_rate`."""
    fusion_rate: float = 1.0
    """Learning rate of the fusion, likewise; the heads always learn at the full rate."""
    freeze: Literal["nothing", "encoders", "encoders_and_fusion"] = "nothing"
    """Which pretrained layers stay as they are."""
    replay_weight: float | None = None
    """Weight of a rich subject's loss beside a sparse one's, 0 for none; by default 1 with --pretrained, else 0."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        return [
            f"transfer.{name}: must be at least 0 (value: {getattr(self, name)})"
            for name in ("encoder_rate", "fusion_rate", "replay_weight")
            if not (getattr(self, name) or 0) >= 0
        ]


@dataclass(frozen=True)
class CalibrationOptions:
    """How the scores of a fine-tuned network are made to mean what they say, on the tuning subjects."""

    method: Literal["auto", "none", "temperature", "platt", "beta"] = "auto"
    """auto: the simplest whose cross-fitted log loss no other betters by more than a standard error, maybe none."""
    by_pattern: bool = True
    """Whether patterns may have parameters of their own, drawn towards those of everybody."""


def check_options(*options: NetworkOptions | MaskingOptions | TrainingOptions | TransferOptions) -> None:
    """Raise one InputError with the problems of all options."""
    raise_if([problem for option in options for problem in option.problems()])
