"""Options of a synthetic cohort. This module imports nothing heavy, so that `--help` answers at once."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from cohorts.synthetic.variants import DEMOGRAPHICS, VARIANTS, Kind


@dataclass(frozen=True)
class SyntheticDesign:
    """Who the subjects are, and what is known of them."""

    variant: Literal["clinical", "credit"] = "clinical"
    """clinical: hospitals, and an adverse outcome; credit: sales channels, and a default; sparse are the thin files."""
    modalities: dict[str, Kind] = field(default_factory=dict)
    """Modalities besides demographics, name to kind (tabular, events, embedding, image, text), such as
    '{"labs": "tabular", "scan": "image"}'; by default those of the variant."""
    num_subjects: int = 6000
    """Subjects in all."""
    rich_share: float = 0.5
    """Share of them who are rich."""
    held_out_share: float = 0.35
    """Share of them who are held out; the rest is sparse, at two sites."""
    prevalence: float = 0.3
    """Share of positive labels, about."""
    signal: float = 3.0
    """Standard deviation of the label's log odds over subjects; at 0 nothing but sex predicts the label."""
    shift: float = 0.12
    """Cohort shift: standard deviation over sites of each part of the latent state's mean; within a site it is 1."""
    num_latent: int = 6
    """Parts of the latent state."""
    weights: bool = False
    """Whether to write a sampling weight: the inverse of a chance to be sampled that depends on sex and age."""
    seed: int = 7
    """Seed of the truth, the subjects and what is absent."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"design.{name}: must be at least {low} (value: {getattr(self, name)})"
            for name, low in (("num_subjects", 20), ("num_latent", 2), ("seed", 0))
            if getattr(self, name) < low
        ]
        found += [
            f"design.{name}: must be between 0 and 1, both excluded (value: {getattr(self, name)})"
            for name in ("rich_share", "held_out_share", "prevalence")
            if not 0 < getattr(self, name) < 1
        ]
        if not found and self.rich_share + self.held_out_share >= 1:
            found.append("design.rich_share and design.held_out_share: leave nobody sparse; their sum must be below 1")
        found += [
            f"design.{name}: must be finite and at least 0 (value: {getattr(self, name)})"
            for name in ("signal", "shift")
            if not 0 <= getattr(self, name) < float("inf")
        ]
        for name, kind in self.modalities.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in (DEMOGRAPHICS, "subjects", "truth", "cohort"):
                found.append(
                    f"design.modalities: `{name}` cannot be a name; take lower-case letters, digits and _, and none of "
                    f"{DEMOGRAPHICS}, subjects, truth, cohort"
                )
            if kind not in get_args(Kind):
                found.append(f"design.modalities {name}: `{kind}` is none of {', '.join(get_args(Kind))}")
        return found


@dataclass(frozen=True)
class AbsenceDesign:
    """Who of the sparse and held-out subjects lacks what."""

    mechanism: Literal["mcar", "mar", "mnar", "pattern"] = "mar"
    """mcar: by chance; mar: by sex and age; mnar: by sex, age and a direction of the latent state; pattern: whole
    patterns drawn from a table."""
    availability: float = 0.6
    """Share who have a modality, about; at 0 nobody but the rich has any, at 1 all have all."""
    spread: float = 1.0
    """Log odds by which the most available modality differs from the least available one."""
    group_effect: float = 0.8
    """Under mar and mnar, log odds of availability per sex or standard deviation of age, in turn."""
    latent_effect: float = 1.5
    """Under mnar, log odds of availability per unit of the latent direction."""
    patterns: dict[str, float] = field(default_factory=dict)
    """Under pattern, how often each occurs, such as '{"labs": 2, "labs+scan": 1}'; demographics are always there. By
    default none, the first modality, the first two, and so on, all equally often."""
    gaps: float = 0.05
    """Share of single numbers that are absent inside a present tabular modality, and three times that of variables
    inside a present events modality."""

    def problems(self, modalities: list[str]) -> list[str]:
        """What is wrong with these values for these modalities, in sentences."""
        found = [
            f"absence.{name}: must be between 0 and {high} (value: {getattr(self, name)})"
            for name, high in (("availability", 1), ("gaps", 0.3))
            if not 0 <= getattr(self, name) <= high
        ]
        found += [
            f"absence.{name}: must be finite (value: {getattr(self, name)})"
            for name in ("spread", "group_effect", "latent_effect")
            if not abs(getattr(self, name)) < float("inf")
        ]
        if self.patterns and self.mechanism != "pattern":
            found.append(f"absence.patterns: used by the mechanism `pattern` only, not by `{self.mechanism}`")
        for pattern, share in self.patterns.items():
            unknown = sorted(set(members(pattern)) - set(modalities))
            if unknown:
                found.append(
                    f"absence.patterns `{pattern}`: {', '.join(unknown)} is none of the modalities "
                    f"{', '.join(modalities)}"
                )
            if not 0 <= share < float("inf"):
                found.append(f"absence.patterns `{pattern}`: must be at least 0 (value: {share})")
        if self.patterns and not sum(self.patterns.values()) > 0:
            found.append("absence.patterns: at least one must occur; give it a number above 0")
        return found


@dataclass(frozen=True)
class SizeDesign:
    """How much one modality of each kind holds."""

    num_columns: int = 6
    """Numeric columns of a tabular modality."""
    num_variables: int = 4
    """Variables of an events modality."""
    num_events: int = 8
    """Values of one variable and subject, on average."""
    embedding_width: int = 256
    """Numbers of an embedding."""
    image_size: int = 16
    """Height and width of an image, from 8 to 256."""
    num_words: int = 8
    """Measured words of a text."""

    def problems(self) -> list[str]:
        """What is wrong with these values, in sentences."""
        found = [
            f"sizes.{name}: must be at least 1 (value: {value})" for name, value in vars(self).items() if value < 1
        ]
        if not found and not 8 <= self.image_size <= 256:
            found.append(f"sizes.image_size: must be from 8 to 256 (value: {self.image_size})")
        return found


def members(pattern: str) -> list[str]:
    """Modalities of a pattern besides demographics.

    Example:
        >>> members("demographics+labs+scan"), members("(none)")
        (['labs', 'scan'], [])
    """
    return [name for name in pattern.replace("(none)", "").split("+") if name not in ("", DEMOGRAPHICS)]


def modalities_of(design: SyntheticDesign) -> dict[str, Kind]:
    """Modalities besides demographics, name to kind."""
    return design.modalities or VARIANTS[design.variant].modalities


def design_problems(design: SyntheticDesign, absence: AbsenceDesign, sizes: SizeDesign) -> list[str]:
    """All that is wrong with a design, in sentences."""
    return [*design.problems(), *absence.problems(list(modalities_of(design))), *sizes.problems()]
