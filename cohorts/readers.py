"""Tables to a cohort: files are read and joined on the subject id by DuckDB, never on row order."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from cohorts.checks import problems_of
from cohorts.cohort import ROLES, Cohort
from cohorts.errors import InputError, raise_if
from cohorts.spec import CohortSpec, Modality, SensitiveFeature, Table
from cohorts.synthetic import write_tables

SUBJECT = "_subject_id"
SMALLEST_SHOWN = 11  # a text from the tables is quoted in an error only if at least this many rows hold it


def read_cohort(
    spec: CohortSpec, data: Path | None, *, labelled: bool = True, absent: frozenset[str] = frozenset()
) -> Cohort:
    """Read every subject of a spec.

    Args:
        spec: What to read.
        data: Folder of the tables; None where the spec has a generator, which then makes them.
        labelled: False to score new people: labels and roles are neither needed nor read.
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
        _load_tables(connection, tables, spec.subject_id, data)
        connection.execute("SET enable_external_access = false")
        cohort = _Assembly(connection, spec, list(tables), labelled, absent).cohort()
    raise_if(problems_of(cohort, labelled=labelled))
    return cohort


def _read_generated(spec: CohortSpec, *, labelled: bool, absent: frozenset[str]) -> Cohort:
    if spec.generator is None:
        raise InputError(f"data: say with --data DIR where the tables of {spec.name} lie")
    with TemporaryDirectory() as folder:
        write_tables(Path(folder))
        return read_cohort(spec, Path(folder), labelled=labelled, absent=absent)


# Files into DuckDB -----------------------------------------------------------------------------------------------


def _load_tables(
    connection: duckdb.DuckDBPyConnection, tables: dict[str, Table], subject_id: list[str], data: Path
) -> None:
    problems = []
    for name, table in tables.items():
        missing = [path for path in table.paths.values() if not (data / path).is_file()]
        problems += [f"table {name}: no file {path} in {data}; put it there, or mend `files`" for path in missing]
    raise_if(problems)
    for name, table in tables.items():
        try:
            files = [(key, data / path) for key, path in table.paths.items()]
            parts = [_select_file(connection, table, key, file, subject_id) for key, file in files]
            stacked = " UNION ALL BY NAME ".join(f"({part})" for part in parts)
            connection.execute(f"CREATE TABLE {_quoted(name)} AS {stacked}")
        except duckdb.Error as error:
            problems.append(f"table {name}: cannot be read ({_first_line(error)})")
            continue
        problems += _key_problems(connection, name, subject_id)
    raise_if(problems)


def _select_file(
    connection: duckdb.DuckDBPyConnection, table: Table, key: str, file: Path, subject_id: list[str]
) -> str:
    path = _text(str(file))
    if file.suffix in {".parquet", ".pq"}:
        source = f"read_parquet({path})"
    else:
        nulls = ", ".join(_text(code) for code in ["", *table.missing_codes])
        options = f"{path}, header = {str(table.header).lower()}, nullstr = [{nulls}], sample_size = -1"
        if table.columns:
            options += f", names = [{', '.join(_text(column) for column in table.columns)}]"
        columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM read_csv({options})").fetchall()]
        # Ids are read as text, which keeps their leading zeros.
        ids = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in subject_id if column in columns)
        source = f"read_csv({options}, types = {{{ids}}})" if ids else f"read_csv({options})"
    made = ""
    if table.file_column:
        made += f", {_text(key)} AS {_quoted(table.file_column)}"
    if table.row_column:
        made += f", row_number() OVER () - 1 AS {_quoted(table.row_column)}"
    return f"SELECT *{made} FROM {source}"


def _key_problems(connection: duckdb.DuckDBPyConnection, name: str, subject_id: list[str]) -> list[str]:
    columns = [row[0] for row in connection.execute(f"DESCRIBE {_quoted(name)}").fetchall()]
    lacking = [column for column in subject_id if column not in columns]
    if lacking:
        return [f"table {name}: has no column {', '.join(lacking)} of the subject id; it has {', '.join(columns)}"]
    parts = " || '/' || ".join(f"CAST({_quoted(column)} AS VARCHAR)" for column in subject_id)
    connection.execute(f"ALTER TABLE {_quoted(name)} ADD COLUMN {SUBJECT} VARCHAR")
    connection.execute(f"UPDATE {_quoted(name)} SET {SUBJECT} = {parts}")
    count = f"SELECT count(*), count({SUBJECT}), count(DISTINCT {SUBJECT}) FROM {_quoted(name)}"
    rows, with_id, distinct = connection.execute(count).fetchone() or (0, 0, 0)
    problems = []
    if rows == 0:
        problems.append(f"table {name}: has no row")
    if rows > with_id:
        problems.append(
            f"table {name}: {rows - with_id} rows have no subject id ({', '.join(subject_id)}); fill or drop them"
        )
    if with_id > distinct:
        problems.append(
            f"table {name}: {with_id - distinct} rows repeat a subject id ({', '.join(subject_id)}), where each may "
            "stand once; keep one row a subject"
        )
    return problems


# DuckDB into a cohort --------------------------------------------------------------------------------------------


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
        first, *others = [_quoted(name) for name in tables]
        joins = " ".join(f"LEFT JOIN {other} ON {other}.{SUBJECT} = {first}.{SUBJECT}" for other in others)
        self.joined, self.first = f"{first} {joins}", first
        self.problems: list[str] = []
        self.notes: list[str] = []
        for name in tables[1:]:
            query = f"SELECT count(*) FROM {_quoted(name)} ANTI JOIN {first} USING ({SUBJECT})"
            unknown = (connection.execute(query).fetchone() or (0,))[0]
            if unknown:
                self.notes.append(
                    f"table {name}: {unknown} rows belong to nobody in table {tables[0]}, and are left out"
                )

    def cohort(self) -> Cohort:
        spec = self.spec
        keep = self.expression("where", spec.where, "BOOLEAN") if spec.where else None
        identities = self.connection.execute(f"SELECT {SUBJECT} FROM {self.first} ORDER BY 1").df()[SUBJECT]
        role = self.roles() if self.labelled else np.full(len(identities), "", dtype=object)
        label = self.label() if self.labelled else np.full(len(identities), np.nan)
        site = self.expression("site", spec.site, "VARCHAR") if spec.site else None
        sensitive = {name: self.groups(name, feature) for name, feature in spec.sensitive_features.items()}
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
            return self.connection.execute(query).df()["value"]
        except duckdb.Error as error:
            self.problems.append(f"{what} `{sql}`: cannot be computed ({_first_line(error)})")
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
        return codes.map(feature.names).fillna("Unknown").to_numpy(dtype=object)

    def modality(self, name: str, modality: Modality) -> pd.DataFrame:
        if name in self.absent:
            rows = (self.connection.execute(f"SELECT count(*) FROM {self.first}").fetchone() or (0,))[0]
            kinds = {column: float if column in modality.numeric else object for column in modality.columns}
            return pd.DataFrame({column: pd.Series(None, range(rows), dtype=kind) for column, kind in kinds.items()})
        table = _quoted(modality.table)
        known = [row[0] for row in self.connection.execute(f"DESCRIBE {table}").fetchall()]
        lacking = [column for column in modality.columns if column not in known]
        if lacking:
            shown = ", ".join(column for column in known if column != SUBJECT)
            self.problems.append(
                f"modality {name}: table {modality.table} has no column {', '.join(lacking)}; it has {shown}"
            )
            return pd.DataFrame()
        columns = ", ".join(f"{table}.{_quoted(column)}" for column in modality.columns)
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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    """DuckDB's own words, without any value of a table."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    shown = [lines[0], *[line for line in lines[1:] if line.startswith(("Candidate", "Expected"))][:1]]
    if isinstance(error, duckdb.ConversionException):
        shown[0] = re.sub(r"string '.*?' to", "a text to", shown[0])
    return " ".join(shown)
