"""Tables to a cohort: joined on the subject id by DuckDB, never on row order; all problems at once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from cohorts.checks import SMALLEST_SHOWN, in_words, problems_of
from cohorts.cohort import ROLES, Cohort
from cohorts.errors import InputError, raise_if
from cohorts.spec import CohortSpec, Modality, SensitiveFeature
from cohorts.synthetic import write_tables
from cohorts.tables import SUBJECT, first_line, load_tables, quoted


def read_cohort(
    spec: CohortSpec, data: Path | None, *, labelled: bool = True, absent: frozenset[str] = frozenset()
) -> Cohort:
    """Read every subject of a spec.

    Args:
        spec: What to read.
        data: Folder of the tables; None where the spec has a generator, which then makes them.
        labelled: False to score new people: label, roles, site and sensitive features are neither needed nor read.
        absent: Modalities that nobody here has; their tables and columns are not looked for.

    Returns:
        The cohort, all invariants checked.

    Raises:
        InputError: With every problem found at the first stage that has any.
    """
    if data is None:
        return _read_generated(spec, labelled=labelled, absent=absent)
    if not data.is_dir():
        raise InputError(f"data {data}: is not a folder; give the one that holds the tables of {spec.name}")
    raise_if([f"absent {name}: is not a modality of {spec.name}" for name in sorted(absent - set(spec.modalities))])
    wanted = {m.table for name, m in spec.modalities.items() if name not in absent} | {next(iter(spec.tables))}
    tables = {name: table for name, table in spec.tables.items() if name in wanted or labelled}
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        load_tables(connection, tables, spec.subject_id, data)
        cohort = _Assembly(connection, spec, list(tables), labelled, absent).cohort()
    raise_if(problems_of(cohort, labelled=labelled))
    return cohort


def _read_generated(spec: CohortSpec, *, labelled: bool, absent: frozenset[str]) -> Cohort:
    if spec.generator is None:
        raise InputError(f"data: say with --data DIR where the tables of {spec.name} lie")
    with TemporaryDirectory() as folder:
        write_tables(Path(folder))
        return read_cohort(spec, Path(folder), labelled=labelled, absent=absent)


class _Assembly:
    """Reads the parts of a cohort out of the loaded tables, and gathers the problems of all of them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: CohortSpec,
        tables: list[str],
        labelled: bool,
        absent: frozenset[str],
    ) -> None:
        self.connection, self.spec, self.labelled, self.absent = connection, spec, labelled, absent
        first, *others = [quoted(name) for name in tables]
        joins = " ".join(f"LEFT JOIN {other} ON {other}.{SUBJECT} = {first}.{SUBJECT}" for other in others)
        self.joined, self.first = f"{first} {joins}", first
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.num_subjects = (connection.execute(f"SELECT count(*) FROM {first}").fetchone() or (0,))[0]
        for name in tables[1:]:
            self.compare_ids(name, tables[0])

    def compare_ids(self, name: str, subjects: str) -> None:
        """Say whose rows are left out, and refuse a table in which nobody is known."""
        query = f"SELECT count(*) FROM {quoted(name)} {{}} JOIN {self.first} USING ({SUBJECT})"
        known, strangers = (self.connection.execute(query.format(kind)).fetchone() for kind in ("SEMI", "ANTI"))
        if known == (0,):
            self.problems.append(
                f"table {name}: none of its subject ids is in table {subjects}; both must write them alike, "
                "leading zeros included"
            )
        elif strangers and strangers[0]:
            self.notes.append(
                f"table {name}: {in_words(strangers[0])} rows belong to nobody in table {subjects}, and are left out"
            )

    def cohort(self) -> Cohort:
        spec = self.spec
        keep = self.expression("where", spec.where, "BOOLEAN") if spec.where else None
        identities = self.connection.execute(f"SELECT {SUBJECT} FROM {self.first} ORDER BY 1").df()[SUBJECT]
        role = self.roles() if self.labelled else np.full(len(identities), "", dtype=object)
        label = self.label() if self.labelled else np.full(len(identities), np.nan)
        site = self.expression("site", spec.site, "VARCHAR") if spec.site and self.labelled else None
        features_to_audit = spec.sensitive_features if self.labelled else {}
        sensitive = {name: self.groups(name, feature) for name, feature in features_to_audit.items()}
        features = {name: self.modality(name, modality) for name, modality in spec.modalities.items()}
        raise_if(self.problems)
        whole = Cohort(
            spec=spec,
            subject_id=identities.to_numpy(dtype=object),
            role=role,
            features=features,
            label=label,
            sensitive=pd.DataFrame(sensitive, index=identities.index),
            site=np.full(len(identities), "", dtype=object)
            if site is None
            else site.fillna("Unknown").to_numpy(object),
            notes=tuple(self.notes),
        )
        return whole if keep is None else whole.take(keep.fillna(False).to_numpy(dtype=bool))

    def expression(self, what: str, sql: str, type_name: str | None = None) -> pd.Series:
        """One value a subject, in the order of the ids; a problem is noted and gives an empty series."""
        value = f"CAST(({sql}) AS {type_name})" if type_name else f"({sql})"
        query = f"SELECT {self.first}.{SUBJECT} AS id, {value} AS value FROM {self.joined} ORDER BY 1"
        try:
            values = self.connection.execute(query).df()["value"]
            if len(values) == self.num_subjects:
                return values
            self.problems.append(f"{what} `{sql}`: gives {len(values)} values for {self.num_subjects} subjects")
            return pd.Series([], dtype=object)
        except duckdb.Error as error:
            self.problems.append(f"{what} `{sql}`: cannot be computed ({first_line(error)})")
            return pd.Series([], dtype=object)

    def roles(self) -> np.ndarray:
        expressions = {role: getattr(self.spec.roles, role) for role in ROLES}
        member = {
            role: self.expression(f"roles.{role}", sql, "BOOLEAN").fillna(False).to_numpy(dtype=bool)
            for role, sql in expressions.items()
            if sql is not None
        }
        if len({len(rows) for rows in member.values()}) != 1:
            return np.array([], dtype=object)
        several = int((np.sum(list(member.values()), axis=0) > 1).sum())
        if several:
            self.problems.append(
                f"roles: {several} subjects are in two cohorts, where each may be in one; mend the expressions "
                + ", ".join(f"{role} `{sql}`" for role, sql in expressions.items() if sql)
            )
        role = np.full(len(next(iter(member.values()))), "", dtype=object)
        for name, rows in member.items():
            role[rows] = name
        return role

    def label(self) -> np.ndarray:
        return (
            self.expression("label", self.spec.label, "BOOLEAN")
            .astype("Float64")
            .to_numpy(dtype=float, na_value=np.nan)
        )

    def groups(self, name: str, feature: SensitiveFeature) -> np.ndarray:
        what = f"sensitive feature {name}"
        if feature.bands:
            values = self.expression(what, feature.expression, "DOUBLE").to_numpy(dtype=float, na_value=np.nan)
            band = np.searchsorted(feature.bands, values, side="right").clip(max=len(feature.bands))
            return np.where(np.isnan(values), "Unknown", np.array(feature.groups, dtype=object)[band])
        codes = self.expression(what, feature.expression).map(_as_code)
        undeclared = int((codes.notna() & ~codes.isin(feature.names)).sum())
        if undeclared:
            self.notes.append(
                f"{what}: {in_words(undeclared)} subjects have a code that `names` does not list, and become Unknown"
            )
        return codes.map(feature.names).fillna("Unknown").to_numpy(dtype=object)

    def modality(self, name: str, modality: Modality) -> pd.DataFrame:
        if name in self.absent:
            kinds = {column: float if column in modality.numeric else object for column in modality.columns}
            return pd.DataFrame(
                {column: pd.Series(None, range(self.num_subjects), dtype=kind) for column, kind in kinds.items()}
            )
        table = quoted(modality.table)
        known = [row[0] for row in self.connection.execute(f"DESCRIBE {table}").fetchall()]
        lacking = [column for column in modality.columns if column not in known]
        if lacking:
            shown = ", ".join(column for column in known if column != SUBJECT)
            self.problems.append(
                f"modality {name}: table {modality.table} has no column {', '.join(lacking)}; it has {shown}"
            )
            return pd.DataFrame()
        columns = ", ".join(f"{table}.{quoted(column)}" for column in modality.columns)
        join = "" if table == self.first else f"LEFT JOIN {table} ON {table}.{SUBJECT} = {self.first}.{SUBJECT}"
        frame = self.connection.execute(
            f"SELECT {columns} FROM {self.first} {join} ORDER BY {self.first}.{SUBJECT}"
        ).df()
        for column in modality.columns:
            codes = {_as_code(code) for code in modality.missing_codes.get(column, [])}
            values = frame[column].mask(frame[column].map(_as_code).isin(codes)) if codes else frame[column]
            numeric = column in modality.numeric
            frame[column] = self.numbers(f"{name}.{column}", values) if numeric else values.map(_as_code).astype(object)
        return frame

    def numbers(self, what: str, values: pd.Series) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
            self.problems.append(
                f"column {what}: holds dates or times, where numbers are needed; derive a number from it"
            )
            return pd.Series([], dtype=float)
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        texts = values[numbers.isna() & values.notna()]
        if len(texts):
            common = texts.astype(str).value_counts()
            example = f", most often `{common.index[0]}`" if common.iloc[0] >= SMALLEST_SHOWN else ""
            self.problems.append(
                f"column {what}: {len(texts)} values are not numbers{example}; list their codes under "
                "`missing_codes`, or make the column categorical"
            )
        infinite = int(np.isinf(numbers).sum())
        if infinite:
            self.problems.append(
                f"column {what}: {infinite} values are infinite, where numbers must be finite; mend the table"
            )
        return numbers


def _as_code(value: Any) -> str | None:
    """A value as the text that a spec would write: 3.0 becomes "3"; absent becomes None."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
