"""What a cohort is, as its owner writes it in YAML: tables, subjects, roles, modalities, label, sensitive features.

`python -m cohorts.spec` prints the JSON schema.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cohorts.documents import NAME, Document, Strict, check_document, read_document

CATALOG = Path(__file__).parent / "catalog"


class Table(Strict):
    """One table of the organisation, in one file or in several of the same layout."""

    files: str | dict[str, str]
    """Path below the data folder (CSV, TSV or Parquet), or a map of names to paths that are stacked."""
    file_column: str | None = None
    """Column to make, which holds each row's name from the map of `files`."""
    row_column: str | None = None
    """Column to make, which holds each row's number within its file, from 0."""
    header: bool = True
    """Whether a CSV's first line names its columns."""
    columns: list[str] = []
    """Names of a CSV's columns, in order, where it has no header."""
    missing_codes: list[str] = []
    """Texts that mean absent anywhere in this table, besides the empty text."""

    @property
    def paths(self) -> dict[str, str]:
        """Name to path; a single file goes by the empty name."""
        return self.files if isinstance(self.files, dict) else {"": self.files}

    @model_validator(mode="after")
    def _columns_and_header_agree(self) -> "Table":
        if self.header == bool(self.columns):
            raise ValueError("give `columns` where `header` is false, and only there")
        if self.missing_codes and any(path.endswith((".parquet", ".pq")) for path in self.paths.values()):
            raise ValueError("`missing_codes` of a table are for CSV; for Parquet give those of its modalities")
        if self.file_column and not isinstance(self.files, dict):
            raise ValueError("`file_column` needs `files` as a map of names to paths")
        return self


class Modality(Strict):
    """A named block of features that are measured together; present for a subject when any of its values is."""

    table: str
    """Table that holds its columns."""
    numeric: list[str] = []
    """Columns with numbers."""
    categorical: list[str] = []
    """Columns with unordered codes or texts."""
    missing_codes: dict[str, list[float | str]] = {}
    """For a column, the values that mean absent, such as a cholesterol of 0."""

    @property
    def columns(self) -> list[str]:
        """All columns, numeric first."""
        return [*self.numeric, *self.categorical]

    @field_validator("missing_codes", mode="before")
    @classmethod
    def _yes_is_no_code(cls, value: Any) -> Any:
        codes = [code for listed in value.values() for code in listed] if isinstance(value, dict) else []
        if any(isinstance(code, bool) for code in codes):
            raise ValueError("YAML reads yes, no, true and false as booleans; put such a code in quotes")
        return value

    @model_validator(mode="after")
    def _columns_are_named_once(self) -> "Modality":
        if not self.columns:
            raise ValueError("has no column; list some under `numeric` or `categorical`")
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice:
            raise ValueError(f"names a column twice: {', '.join(twice)}")
        unknown = sorted(set(self.missing_codes) - set(self.columns))
        if unknown:
            raise ValueError(f"`missing_codes` speaks of columns that are not listed: {', '.join(unknown)}")
        return self


class SensitiveFeature(Strict):
    """A feature by whose groups the bias audit looks; "Unknown" is a group of its own."""

    expression: str
    """Column or SQL expression."""
    names: dict[str, str] = {}
    """Code to name of group; a code that is not listed becomes "Unknown"."""
    bands: list[float] = []
    """Cut points of a numeric feature: [50, 60] gives the groups <50, 50-59 and 60+."""

    @model_validator(mode="before")
    @classmethod
    def _codes_are_texts(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("names"), Mapping):
            return {**value, "names": {str(code): name for code, name in value["names"].items()}}
        return value

    @model_validator(mode="after")
    def _groups_are_declared_one_way(self) -> "SensitiveFeature":
        if bool(self.names) == bool(self.bands):
            raise ValueError("give either `names` (a map of codes) or `bands` (cut points)")
        if self.bands != sorted(set(self.bands)):
            raise ValueError(f"`bands` must rise strictly: {self.bands}")
        if "Unknown" in self.names.values():
            raise ValueError('"Unknown" is kept for absent values; drop it from `names`')
        return self

    @property
    def groups(self) -> list[str]:
        """Declared groups in order, without "Unknown".

        Example:
            >>> SensitiveFeature(expression="age", bands=[50, 60]).groups
            ['<50', '50-59', '60+']
        """
        if self.names:
            return list(dict.fromkeys(self.names.values()))
        cuts = [f"{cut:g}" for cut in self.bands]
        whole = all(float(cut).is_integer() for cut in self.bands)
        upper = [f"{cut - 1:g}" if whole else f"<{cut:g}" for cut in self.bands[1:]]
        between = [f"{low}-{high}" for low, high in zip(cuts, upper, strict=False)]
        return [f"<{cuts[0]}", *between, f"{cuts[-1]}+"]


class Roles(Strict):
    """Which subjects form which cohort, as SQL expressions; a subject for whom none holds is left out."""

    rich: str
    """Subjects with every modality measured: the source of pretraining."""
    sparse: str
    """Subjects of the deployment, whole modalities absent: the target of fine-tuning."""
    held_out: str | None = None
    """Subjects never seen in training or selection; without it, `split.held_out_fraction` of the sparse cohort."""


class SplitRule(Strict):
    """How the rich and the sparse cohort are split, by subject, stratified by label and pattern."""

    tuning_fraction: float = Field(default=0.2, gt=0, lt=0.8)
    """Share of each training cohort that is kept for early stopping and the operating point."""
    held_out_fraction: float = Field(default=0.0, ge=0, lt=0.8)
    """Share of the sparse cohort to hold out, where `roles.held_out` is not given."""
    seed: int = 0
    """Seed of the split."""


class CohortSpec(Document):
    """Rich, sparse and held-out cohorts of one organisation, from its tables."""

    name: str = Field(pattern=NAME)
    """Name of this spec, in lower case."""
    title: str = ""
    """One line for people."""
    source: str = ""
    """Where the data come from, and whom to cite."""
    licence: str = ""
    """Terms under which the data may be used."""
    leakage_notes: str = ""
    """What must not become a feature, and why."""
    generator: Literal["synthetic"] | None = None
    """Set where the project itself makes the tables, so that no data folder is needed."""
    tables: dict[str, Table] = Field(min_length=1)
    """Tables by name; the first one is the subject table: one row for every subject."""
    subject_id: list[str] = Field(min_length=1)
    """Column, or columns together, that identify a subject in every table."""
    where: str | None = None
    """SQL expression; only subjects for whom it holds are read."""
    roles: Roles
    """Which subjects are rich, sparse and held-out."""
    modalities: dict[str, Modality] = Field(min_length=2)
    """Modalities by name, in lower case."""
    label: str
    """SQL expression that is true for a positive subject, such as `num > 0`."""
    label_name: str = "positive"
    """What a positive label means, in words."""
    sensitive_features: dict[str, SensitiveFeature] = {}
    """Sensitive features by name, for the bias audit."""
    site: str | None = None
    """Column or SQL expression that names the site of a subject."""
    split: SplitRule = SplitRule()
    """How training and tuning subjects are told apart."""

    @field_validator("subject_id", mode="before")
    @classmethod
    def _one_column_is_enough(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _parts_agree(self) -> "CohortSpec":
        problems = [
            f"name `{name}`: must be lower-case letters, digits and _, starting with a letter"
            for name in [*self.tables, *self.modalities, *self.sensitive_features]
            if not re.match(NAME, name)
        ]
        problems += [
            f"modality {name}: its table `{modality.table}` is not among the tables {', '.join(self.tables)}"
            for name, modality in self.modalities.items()
            if modality.table not in self.tables
        ]
        owners: dict[tuple[str, str], str] = {}
        for name, modality in self.modalities.items():
            for column in modality.columns:
                owner = owners.setdefault((modality.table, column), name)
                if owner != name:
                    problems.append(f"column {modality.table}.{column}: is in two modalities, {owner} and {name}")
                if column in self.subject_id:
                    problems.append(f"modality {name}: the subject id `{column}` cannot be a feature")
                if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", self.label, re.IGNORECASE):
                    problems.append(
                        f"modality {name}: `{column}` is in the label `{self.label}`, so cannot be a feature"
                    )
        if self.roles.held_out is None and self.split.held_out_fraction == 0:
            problems.append("roles: give `held_out`, or set `split.held_out_fraction` above 0")
        if self.roles.held_out is not None and self.split.held_out_fraction > 0:
            problems.append("roles: `held_out` and `split.held_out_fraction` exclude each other; give one")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def declared_groups(self) -> dict[str, list[str]]:
        """Sensitive feature to its declared groups."""
        return {name: feature.groups for name, feature in self.sensitive_features.items()}

    @property
    def inputs(self) -> dict[str, Any]:
        """What a trained model relies on: modalities with their columns, kinds and missing codes, and the label."""
        return {
            "modalities": {name: m.model_dump(mode="json", exclude={"table"}) for name, m in self.modalities.items()},
            "label": self.label,
        }


def parse_spec(content: Any, where: str) -> CohortSpec:
    """Check a spec that was read from YAML or a bundle.

    Args:
        content: Plain dicts, lists, texts and numbers.
        where: What to call it in an error.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    return check_document(CohortSpec, content, where, "`python -m cohorts.spec` prints those of a cohort spec")


def load_spec(cohort: str) -> CohortSpec:
    """Read a spec by its path, or by the name of a catalog entry.

    Args:
        cohort: Path of a YAML file, or a name such as `heart_disease`.

    Raises:
        InputError: It is neither, or its content breaks a rule.

    Example:
        >>> list(load_spec("synthetic").modalities)
        ['demographics', 'labs', 'ecg', 'imaging', 'wearable']
    """
    return parse_spec(read_document(cohort, "cohort", CATALOG), f"cohort {cohort}")


if __name__ == "__main__":
    print(json.dumps(CohortSpec.model_json_schema(), indent=2))  # noqa: T201
