"""What a cohort is, as its owner writes it in YAML: tables, subjects, roles, modalities, label, sensitive features.

`python -m cohorts.spec` prints the JSON schema.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from cohorts.documents import NAME, Document, Strict, check_document, read_document
from cohorts.errors import InputError
from cohorts.expressions import columns_in, speaks_of, sql_text
from cohorts.modality import Modality, below_the_data_folder

CATALOG = Path(__file__).parent / "catalog"
NOBODY = "false"  # the role of nobody, which is no mistake
NOT_INPUTS = {"table", "file", "row_column", "units"}  # where a modality lies, and words for people


class Table(Strict):
    """One table of the organisation, in one file or in several of the same layout."""

    files: str | dict[str, str]
    """Path below the data folder, or a map of names to paths that are stacked. A path is a file (CSV, TSV, Parquet,
    Arrow), a folder of them, a pattern such as `year=*/part-*.parquet`, or the folder of a Delta table."""
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
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a CSV's numbers."""
    where: str | None = None
    """SQL expression over its own columns; only rows for which it holds are read."""

    @property
    def paths(self) -> dict[str, str]:
        """Name to path; a single file goes by the empty name."""
        return self.files if isinstance(self.files, dict) else {"": self.files}

    @model_validator(mode="after")
    def _columns_and_header_agree(self) -> "Table":
        if self.header == bool(self.columns):
            raise ValueError("give `columns` where `header` is false, and only there")
        if not self.paths or not all(map(below_the_data_folder, self.paths.values())):
            raise ValueError("`files` must be paths below the data folder, not empty, absolute or with `..`")
        if self.missing_codes and any(path.endswith((".parquet", ".pq")) for path in self.paths.values()):
            raise ValueError("`missing_codes` of a table are for CSV; for Parquet give those of its modalities")
        if self.file_column and not isinstance(self.files, dict):
            raise ValueError("`file_column` needs `files` as a map of names to paths")
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


class RoleRule(Strict):
    """Who forms a cohort, by site and by time; all that is given must hold."""

    sites: list[str] = []
    """Sites, as `site` names them."""
    since: float | date | None = None
    """Subjects whose `time` is this or later; a date, or a number where `time` is one."""
    before: float | date | None = None
    """Subjects whose `time` is earlier than this."""
    where: str | None = None
    """SQL expression that must hold as well."""

    @model_validator(mode="after")
    def _something_is_given(self) -> "RoleRule":
        if not (self.sites or self.where) and self.since is None and self.before is None:
            raise ValueError("give `sites`, `since`, `before` or `where`")
        return self


Role = Annotated[
    Annotated[str, Tag("sql")] | Annotated[RoleRule, Tag("rule")],
    Discriminator(lambda value: "sql" if isinstance(value, str) else "rule"),
]


class Roles(Strict):
    """Which subjects form which cohort: SQL expressions, or rules by site and time; who fits none is left out."""

    rich: Role
    """Subjects with every modality measured: the source of pretraining."""
    sparse: Role
    """Subjects of the deployment, whole modalities absent: the target of fine-tuning."""
    held_out: Role | None = None
    """Subjects never seen in training or selection; without it, `split.held_out_fraction` of the sparse cohort."""


class SplitRule(Strict):
    """How the rich and the sparse cohort are split, by subject, stratified by label and pattern."""

    by: Literal["subject", "site", "time"] = "subject"
    """subject: stratified by label and pattern; site: whole sites are tuned on; time: the latest subjects are."""
    tuning_fraction: float = Field(default=0.2, gt=0, lt=0.8)
    """Share of each training cohort that is kept for early stopping and the operating point."""
    held_out_fraction: float = Field(default=0.0, ge=0, lt=0.8)
    """Share of the sparse cohort to hold out, where `roles.held_out` is not given."""
    seed: int = 0
    """Seed of the split."""
    file: str | None = None
    """A frozen split below the data folder (an earlier run's split.parquet), which is used as it is."""


class CohortSpec(Document):
    """Rich, sparse and held-out cohorts of one organisation, from its tables."""

    of_kinds: ClassVar[tuple[str, ...]] = ("modalities", "roles")

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
    time: str | None = None
    """Column or SQL expression with a subject's date, timestamp or number, for roles and splits by time."""
    weight: str | None = None
    """SQL expression of a subject's survey or sampling weight, above 0; used in training and in validation."""
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
        problems += self._table_problems() + self._column_problems() + self._rule_problems()
        if self.roles.held_out is None and self.split.held_out_fraction == 0:
            problems.append("roles: give `held_out`, or set `split.held_out_fraction` above 0")
        if self.roles.held_out is not None and self.split.held_out_fraction > 0:
            problems.append("roles: `held_out` and `split.held_out_fraction` exclude each other; give one")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _table_problems(self) -> list[str]:
        problems = [
            f"modality {name}: its table `{table}` is not among the tables {', '.join(self.tables)}"
            for name, modality in self.modalities.items()
            for table in modality.tables
            if table not in self.tables
        ]
        subjects = next(iter(self.tables))
        wide = {t for m in self.modalities.values() if m.kind != "events" for t in m.tables} | {subjects}
        return problems + [
            f"table {table}: has one row a subject for one modality and several for another; list its files twice, "
            "as two tables"
            for table in sorted(self.long_tables & wide)
        ]

    def _column_problems(self) -> list[str]:
        problems = []
        owners: dict[tuple[str, str], str] = {}
        for name, modality in self.modalities.items():
            for table, column in [(table, column) for table in modality.tables for column in modality.columns]:
                owner = owners.setdefault((table, column), name)
                if owner != name:
                    problems.append(f"column {table}.{column}: is in two modalities, {owner} and {name}")
                if column in self.subject_id:
                    problems.append(f"modality {name}: the subject id `{column}` cannot be a feature")
                if speaks_of(self.label, column):
                    problems.append(
                        f"modality {name}: `{column}` is in the label `{self.label}`, so cannot be a feature"
                    )
            for sql in [*getattr(modality, "derive", {}).values(), getattr(modality, "time", None)]:
                shared = columns_in(sql or "") & columns_in(self.label)
                if shared:
                    problems.append(
                        f"modality {name}: `{sql}` uses {', '.join(sorted(shared))} of the label `{self.label}`, so "
                        "cannot be a feature"
                    )
        return problems

    def _rule_problems(self) -> list[str]:
        rules = [
            rule for rule in (self.roles.rich, self.roles.sparse, self.roles.held_out) if isinstance(rule, RoleRule)
        ]
        timed = any(rule.since is not None or rule.before is not None for rule in rules) or self.split.by == "time"
        sited = any(rule.sites for rule in rules) or self.split.by == "site"
        problems = []
        if timed and self.time is None:
            problems.append("time: a role or the split speaks of time, so say which column or expression it is")
        if sited and self.site is None:
            problems.append("site: a role or the split speaks of sites, so say which column or expression it is")
        return problems

    @property
    def long_tables(self) -> set[str]:
        """Tables with several rows a subject."""
        return {
            table for modality in self.modalities.values() if modality.kind == "events" for table in modality.tables
        }

    def is_wide(self, table: str) -> bool:
        """Whether a table only holds the many columns of an embedding."""
        users = [m for m in self.modalities.values() if table in m.tables]
        patterned = [m for m in users if m.kind == "embedding" and m.column_pattern]
        rule = self.tables[table]
        made = rule.where or rule.file_column or rule.row_column
        return bool(users) and len(patterned) == len(users) and table != next(iter(self.tables)) and not made

    def with_held_out_site(self, site: str) -> "CohortSpec":
        """The same cohorts with one site held out, and those who were held out before made sparse.

        Raises:
            InputError: The spec names no site.
        """
        if self.site is None:
            raise InputError(f"held-out site {site}: the spec {self.name} names no `site`")
        is_site = f"coalesce(CAST(({self.site}) AS VARCHAR), 'Unknown') = {sql_text(site)}"
        rich, sparse, held_out = (
            None if rule is None else role_expression(rule, self)
            for rule in (self.roles.rich, self.roles.sparse, self.roles.held_out)
        )
        others = f"({sparse})" if held_out is None else f"(({sparse}) OR ({held_out}))"
        roles = Roles(
            rich=f"({rich}) AND NOT ({is_site})",
            sparse=f"{others} AND NOT ({is_site})",
            held_out=f"(({rich}) OR {others}) AND ({is_site})",
        )
        split = self.split.model_copy(update={"held_out_fraction": 0.0, "file": None})
        return self.model_copy(update={"roles": roles, "split": split})

    def with_everybody_held_out(self) -> "CohortSpec":
        """The same people without roles, all of them held out: a later year, or another hospital."""
        split = self.split.model_copy(update={"held_out_fraction": 0.0, "file": None})
        roles = Roles(rich=NOBODY, sparse=NOBODY, held_out="true")
        return self.model_copy(update={"roles": roles, "split": split})

    @property
    def declared_groups(self) -> dict[str, list[str]]:
        """Sensitive feature to its declared groups."""
        return {name: feature.groups for name, feature in self.sensitive_features.items()}

    @property
    def inputs(self) -> dict[str, Any]:
        """What a trained model relies on: modalities with their columns, kinds and missing codes, and the label."""
        return {
            "modalities": {name: m.model_dump(mode="json", exclude=NOT_INPUTS) for name, m in self.modalities.items()},
            "label": self.label,
        }


def role_expression(rule: str | RoleRule, spec: CohortSpec) -> str:
    """A role as one SQL expression."""
    if isinstance(rule, str):
        return rule
    parts = [f"({rule.where})"] if rule.where else []
    if rule.sites:
        parts.append(f"CAST(({spec.site}) AS VARCHAR) IN ({', '.join(map(sql_text, rule.sites))})")
    for limit, sign in ((rule.since, ">="), (rule.before, "<")):
        if isinstance(limit, date):
            parts.append(f"CAST(({spec.time}) AS TIMESTAMP) {sign} TIMESTAMP {sql_text(str(limit))}")
        elif limit is not None:
            parts.append(f"({spec.time}) {sign} {limit!r}")
    return " AND ".join(parts)


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
