"""Files into DuckDB: CSV and Parquet become tables with one key, and nothing outside of them can be read any more."""

import re
from pathlib import Path

import duckdb

from cohorts.errors import raise_if
from cohorts.spec import Table

SUBJECT = "_subject_id"


def load_tables(
    connection: duckdb.DuckDBPyConnection, tables: dict[str, Table], subject_id: list[str], data: Path
) -> None:
    """Read every table under its name, with the key as text in a column SUBJECT, and then close the connection's doors.

    Raises:
        InputError: Files are missing or no tables, keys are absent or repeated; all of it.
    """
    problems = []
    for name, table in tables.items():
        missing = [path for path in table.paths.values() if not (data / path).is_file()]
        problems += [f"table {name}: no file {path} in {data}; put it there, or mend `files`" for path in missing]
        empty = [path for path in set(table.paths.values()) - set(missing) if (data / path).stat().st_size == 0]
        problems += [f"table {name}: {path} is empty; export it again" for path in empty]
    raise_if(problems)
    for name, table in tables.items():
        try:
            files = [(key, data / path) for key, path in table.paths.items()]
            parts = [_select_file(connection, table, key, file, subject_id) for key, file in files]
            stacked = " UNION ALL BY NAME ".join(f"({part})" for part in parts)
            connection.execute(f"CREATE TABLE {quoted(name)} AS {stacked}")
        except duckdb.Error as error:
            problems.append(f"table {name}: cannot be read ({first_line(error)})")
            continue
        problems += _key_problems(connection, name, subject_id)
    raise_if(problems)
    connection.execute("SET enable_external_access = false")


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
        sniffed = connection.execute(f"DESCRIBE SELECT * FROM read_csv({options})").fetchall()
        # Ids are read as text, which keeps their leading zeros; yes and no stay what they are.
        texts = [row[0] for row in sniffed if row[0] in subject_id or row[1] == "BOOLEAN"]
        types = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in texts)
        source = f"read_csv({options}, types = {{{types}}})" if types else f"read_csv({options})"
    made = ""
    if table.file_column:
        made += f", {_text(key)} AS {quoted(table.file_column)}"
    if table.row_column:
        made += f", row_number() OVER () - 1 AS {quoted(table.row_column)}"
    return f"SELECT *{made} FROM {source}"


def _key_problems(connection: duckdb.DuckDBPyConnection, name: str, subject_id: list[str]) -> list[str]:
    described = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
    columns = [row[0] for row in described]
    lacking = [column for column in subject_id if column not in columns]
    if lacking:
        torn = " (one column, so its rows may differ in their number of fields)" if len(columns) == 1 else ""
        shown = f"it has {', '.join(columns)}{torn}"
        return [f"table {name}: has no column {', '.join(lacking)} of the subject id; {shown}"]
    if SUBJECT in columns:
        return [f"table {name}: has a column {SUBJECT}, a name that is kept for the joined id; rename it"]
    for column in [row[0] for row in described if row[1] in ("FLOAT", "DOUBLE")]:
        # A NaN is above every number for SQL, so that `num > 0` would hold; it means absent.
        connection.execute(f"UPDATE {quoted(name)} SET {quoted(column)} = NULL WHERE isnan({quoted(column)})")
    parts = [f"CAST({quoted(column)} AS VARCHAR)" for column in subject_id]
    if len(parts) > 1:
        parts = [f"replace(replace({part}, '\\', '\\\\'), '/', '\\/')" for part in parts]
    key = " || '/' || ".join(parts)
    connection.execute(f"ALTER TABLE {quoted(name)} ADD COLUMN {SUBJECT} VARCHAR")
    connection.execute(f"UPDATE {quoted(name)} SET {SUBJECT} = {key}")
    count = (
        f"SELECT count(*), count({SUBJECT}), count(DISTINCT {SUBJECT}), count(DISTINCT lower(trim({SUBJECT}))) "
        f"FROM {quoted(name)}"
    )
    rows, with_id, distinct, alike = connection.execute(count).fetchone() or (0, 0, 0, 0)
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
    if distinct > alike:
        problems.append(
            f"table {name}: {distinct - alike} subject ids differ from another only in capitals or in spaces at their "
            "ends; write each subject's id in one way"
        )
    return problems


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """DuckDB's own words, without any value of a table."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    shown = [
        lines[0],
        *[line for line in lines[1:] if line.startswith(("Candidate", "Expected", "Invalid unicode"))][:1],
    ]
    if isinstance(error, duckdb.ConversionException):
        shown[0] = re.sub(r"string '.*?' to", "a text to", shown[0])
    return " ".join(shown)
