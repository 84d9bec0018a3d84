"""Files into DuckDB: tables with one key, and nothing outside of them can be read any more."""

import re
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from cohorts.errors import InputError, raise_if
from cohorts.expressions import of_one_subject, one_expression, quoted, sql_text
from cohorts.limits import in_words
from cohorts.sources import check_columns, find_files, read_wide, select_from
from cohorts.spec import CohortSpec, Table

SUBJECT, ROW = "_subject_id", "_row"


class Database:
    """The tables of a spec, joined on the subject id, and what was found wrong or doubtful about them.

    Attributes:
        first: The subject table, quoted.
        joined: All tables with one row a subject, joined to the first, for SQL.
        subject_id: Texts, sorted, (N,).
        wide: Tables with very many columns, which stay outside of DuckDB; there, they have their key and a column ROW.
        problems: Why the cohort cannot be used.
        notes: What a user should know.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, spec: CohortSpec, data: Path, wanted: dict[str, Table]
    ) -> None:
        self.connection, self.spec, self.data = connection, spec, data
        self.wide: dict[str, pa.Table] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._load(wanted)
        names = list(wanted)
        self.first = quoted(names[0])
        single = [quoted(name) for name in names[1:] if name not in spec.long_tables]
        joins = [f"LEFT JOIN {other} ON {other}.{SUBJECT} = {self.first}.{SUBJECT}" for other in single]
        self.joined = " ".join([self.first, *joins])
        ids = connection.execute(f"SELECT {SUBJECT} FROM {self.first} ORDER BY 1").df()[SUBJECT]
        self.subject_id = ids.to_numpy(dtype=object)
        for name in names[1:]:
            self._compare_ids(name, names[0])

    def _load(self, wanted: dict[str, Table]) -> None:
        """Read every table under its name, with the key as text in a column SUBJECT, and then close all doors.

        Raises:
            InputError: Files are missing or no tables, keys are absent or repeated; all of it.
        """
        problems, files = [], {}
        for name, table in wanted.items():
            for key, path in table.paths.items():
                try:
                    files[name, key] = find_files(self.data, path, f"table {name}")
                except InputError as error:
                    problems += error.problems
        raise_if(problems)
        readable = [str(file) for listed in files.values() for file in listed]
        self.connection.execute(f"SET allowed_paths = [{', '.join(map(sql_text, readable))}]")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET TimeZone = 'UTC'")  # a role or a time must not depend on the machine
        self.connection.execute("SET lock_configuration = true")
        for name, table in wanted.items():
            try:
                self._load_table(name, table, {key: files[name, key] for key in table.paths})
            except (duckdb.Error, pa.ArrowException) as error:
                problems.append(f"table {name}: cannot be read ({first_line(error)}); mend it, or export it again")
            except InputError as error:
                problems += error.problems
        raise_if(problems)

    def _load_table(self, name: str, table: Table, files: dict[str, list[Path]]) -> None:
        keys = self.spec.subject_id
        for listed in files.values():
            self.notes += check_columns(table, listed, f"table {name}")
        if table.where:
            one_expression(self.connection, f"table {name}, where", table.where)
        if self.spec.is_wide(name):
            parts = [read_wide(table, listed, keys) for listed in files.values()]
            whole = pa.concat_tables(parts, promote_options="permissive")
            self.wide[name] = whole
            some = whole.select([key for key in keys if key in whole.column_names] or whole.column_names[:20])
            self.connection.register("_wide", some.append_column(ROW, pa.array(range(len(some)), pa.int64())))
            self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM _wide")
            self.connection.unregister("_wide")
        else:
            selects = [self._select(name, table, key, listed) for key, listed in files.items()]
            stacked = " UNION ALL BY NAME ".join(f"({select})" for select in selects)
            rows = f" WHERE {table.where}" if table.where else ""
            self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM ({stacked}){rows}")
        raise_if(self._key_problems(name))

    def _select(self, name: str, table: Table, key: str, files: list[Path]) -> str:
        made = f", {sql_text(key)} AS {quoted(table.file_column)}" if table.file_column else ""
        if table.row_column:
            made += f", row_number() OVER () - 1 AS {quoted(table.row_column)}"
        source = select_from(self.connection, table, files, self.spec.subject_id)
        held = self.connection.execute(f"DESCRIBE {source}").fetchall() if made else []
        twice = {row[0].casefold() for row in held} & {str(n).casefold() for n in (table.file_column, table.row_column)}
        if twice:
            raise InputError(f"table {name}: has a column {', '.join(sorted(twice))} already; name another")
        return f"SELECT *{made} FROM ({source})"

    def _counts(self, query: str) -> tuple[int, ...]:
        """The one row that a query gives; all is fetched, since a result that is not blocks the connection."""
        return tuple(self.connection.execute(query).fetchall()[0])

    def columns_of(self, name: str) -> list[str]:
        """Columns of a table as DuckDB knows it."""
        return [row[0] for row in self.connection.execute(f"DESCRIBE {quoted(name)}").fetchall()]

    def _key_problems(self, name: str) -> list[str]:
        subject_id = self.spec.subject_id
        columns = self.columns_of(name)
        lacking = [column for column in subject_id if column not in columns]
        if lacking:
            torn = " (one column, so its rows may differ in their number of fields)" if len(columns) == 1 else ""
            return [f"table {name}: has no column {', '.join(lacking)} of the subject id; {_listed(columns)}{torn}"]
        if SUBJECT in columns:
            return [f"table {name}: has a column {SUBJECT}, a name that is kept for the joined id; rename it"]
        described = self.connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
        for column in [row[0] for row in described if row[1] in ("FLOAT", "DOUBLE")]:
            # A NaN is above every number for SQL, so that `num > 0` would hold; it means absent.
            self.connection.execute(f"UPDATE {quoted(name)} SET {quoted(column)} = NULL WHERE isnan({quoted(column)})")
        texts = [f"CAST({quoted(column)} AS VARCHAR)" for column in subject_id]
        parts = [f"(CASE WHEN trim({text}) <> '' THEN {text} END)" for text in texts]
        if len(parts) > 1:
            parts = [f"replace(replace({part}, '\\', '\\\\'), '/', '\\/')" for part in parts]
        self.connection.execute(f"ALTER TABLE {quoted(name)} ADD COLUMN {SUBJECT} VARCHAR")
        key = " || '/' || ".join(parts)
        self.connection.execute(f"UPDATE {quoted(name)} SET {SUBJECT} = {key}")
        return self._id_problems(name)

    def _id_problems(self, name: str) -> list[str]:
        keys = ", ".join(self.spec.subject_id)
        count = (
            f"SELECT count(*), count({SUBJECT}), count(DISTINCT {SUBJECT}), count(DISTINCT lower(trim({SUBJECT}))) "
            f"FROM {quoted(name)}"
        )
        rows, with_id, distinct, alike = self._counts(count)
        problems = []
        if rows == 0:
            problems.append(f"table {name}: has no row; export it again")
        if rows > with_id:
            problems.append(
                f"table {name}: {in_words(rows - with_id)} rows have no subject id ({keys}); fill or drop them"
            )
        if with_id > distinct and name not in self.spec.long_tables:
            problems.append(
                f"table {name}: {in_words(with_id - distinct)} rows repeat a subject id ({keys}), where each may stand "
                "once; keep one row a subject"
            )
        if distinct > alike:
            problems.append(
                f"table {name}: {in_words(distinct - alike)} subject ids differ from another only in capitals or in "
                "spaces at their ends; write each subject's id in one way"
            )
        return problems

    def _compare_ids(self, name: str, subjects: str) -> None:
        """Say whose rows are left out, and refuse a table in which nobody is known."""
        query = f"SELECT count(*) FROM {quoted(name)} {{}} JOIN {self.first} USING ({SUBJECT})"
        known, strangers = (self._counts(query.format(kind))[0] for kind in ("SEMI", "ANTI"))
        alike = f"ltrim(regexp_replace(lower(trim({SUBJECT})), '\\.0$', ''), '0')"
        others = f"SELECT {SUBJECT} FROM {{}} ANTI JOIN {{}} USING ({SUBJECT})"
        mine, theirs = others.format(quoted(name), self.first), others.format(self.first, quoted(name))
        (misspelt,) = self._counts(
            f"SELECT count(DISTINCT {SUBJECT}) FROM ({mine}) WHERE {alike} IN (SELECT {alike} FROM ({theirs}))"
        )
        if known == 0:
            self.problems.append(
                f"table {name}: none of its subject ids is in table {subjects}; both must write them alike, "
                "leading zeros included"
            )
        elif misspelt:
            self.problems.append(
                f"table {name}: {misspelt} of its subject ids would be in table {subjects} but for leading zeros, "
                "capitals, spaces or a `.0`; write each subject's id in one way"
            )
        elif strangers:
            self.notes.append(
                f"table {name}: {in_words(strangers)} rows belong to nobody in table {subjects}, and are left out"
            )

    def values(self, what: str, sql: str, type_name: str | None = None) -> pd.Series:
        """One value a subject, in the order of the ids; a problem is noted and gives an empty series."""
        value = f"CAST(({sql}) AS {type_name})" if type_name else f"({sql})"
        query = f"SELECT {self.first}.{SUBJECT} AS id, {value} AS value FROM {self.joined} ORDER BY 1"
        try:
            one_expression(self.connection, what, sql)
            of_one_subject(self.connection, what, sql)
            self._check_type(what, sql, boolean=type_name == "BOOLEAN")
            values = self.connection.execute(query).df()["value"]
        except InputError as error:
            self.problems += error.problems
            return pd.Series([], dtype=object)
        except duckdb.Error as error:
            self.problems.append(f"{what} `{sql}`: cannot be computed ({first_line(error, computing=True)})")
            return pd.Series([], dtype=object)
        if len(values) == len(self.subject_id):
            return values
        self.problems.append(
            f"{what} `{sql}`: gives {len(values)} values for {len(self.subject_id)} subjects; write one that gives one"
        )
        return pd.Series([], dtype=object)

    def _check_type(self, what: str, sql: str, *, boolean: bool) -> None:
        """Refuse lists and records, and numbers other than 0 and 1 where true or false is needed."""
        described = self.connection.execute(f"DESCRIBE SELECT ({sql}) AS value FROM {self.joined}").fetchall()
        if _is_nested(described[0][1]):
            raise InputError(f"{what} `{sql}`: gives lists or records; pick one value of them")
        if boolean and described[0][1] != "BOOLEAN":
            wrong = f"SELECT count(*) FROM {self.joined} WHERE TRY_CAST(({sql}) AS DOUBLE) NOT IN (0, 1)"
            (count,) = self._counts(wrong)
            if count:
                raise InputError(
                    f"{what} `{sql}`: gives {in_words(count)} values other than 0 and 1, where true or false is "
                    "needed; write a comparison"
                )

    def lacks(self, what: str, table: str, columns: list[str]) -> bool:
        """Whether a table lacks one of these columns, which is then noted as a problem."""
        known = self.wide[table].column_names if table in self.wide else self.columns_of(table)
        lacking = [column for column in columns if column not in known]
        if lacking:
            shown = _listed([column for column in known if column != SUBJECT])
            self.problems.append(f"{what}: table {table} has no column {', '.join(lacking)}; {shown}")
        return bool(lacking)

    def columns(self, table: str, columns: list[str], *, lists: bool = False) -> pd.DataFrame:
        """Columns of a table with one row a subject, in the order of the ids; null for who is not in it.

        Raises:
            InputError: One holds lists or records, and `lists` is not set.
        """
        described = self.connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
        nested = [row[0] for row in described if row[0] in columns and _is_nested(row[1])]
        if nested and not lists:
            raise InputError(
                f"column {table}.{nested[0]}: holds lists or records; make it an embedding by `list_column`, or "
                "pick a part"
            )
        chosen = ", ".join(f"{quoted(table)}.{quoted(column)}" for column in columns)
        join = f"LEFT JOIN {quoted(table)} ON {quoted(table)}.{SUBJECT} = {self.first}.{SUBJECT}"
        source = self.first if quoted(table) == self.first else f"{self.first} {join}"
        return self.connection.execute(f"SELECT {chosen} FROM {source} ORDER BY {self.first}.{SUBJECT}").df()


PLANNING = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.PermissionException)
MOST_NAMED = 40  # columns of a table that an error names


def _is_nested(type_name: str) -> bool:
    return type_name.endswith("]") or type_name.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


def _listed(columns: list[str]) -> str:
    """The columns of a table, unless they are the values of its first row."""
    if any(re.fullmatch(r"[-+.\d][-+.,:/\deE ]*", column) for column in columns):
        return "its first line seems to hold values; set `header: false` and name the columns under `columns`"
    return f"it has {', '.join(columns[:MOST_NAMED])}{', ...' if len(columns) > MOST_NAMED else ''}"


def first_line(error: Exception, *, computing: bool = False) -> str:
    """The reader's own words, without any value of a table.

    Args:
        error: Of DuckDB or Arrow.
        computing: Whether an expression of a spec was computed, whose errors may hold what it was given.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    known = ("Candidate", "Expected", "Invalid unicode")
    shown = [lines[0], *[line for line in lines[1:] if line.startswith(known)][:1]]
    if isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException | duckdb.OutOfRangeException):
        shown[0] = re.sub(r"['\"].*['\"]|['\"].*", "...", shown[0])
        shown[0] = re.sub(r"value \S+ can't", "a value that can't", shown[0])
    if computing and isinstance(error, duckdb.ConversionException):
        shown[0] = re.sub(r"[-+]?\d[\d.e+-]*", "...", shown[0])
    elif computing and isinstance(error, duckdb.Error) and not isinstance(error, PLANNING):
        shown = [shown[0].split(":")[0]]
    if isinstance(error, pa.ArrowException):
        shown[0] = re.sub(r"(conversion error to \w+: invalid value|columns, got \d+).*", r"\1", shown[0])
    return re.sub(rf', "[^" ]*\.?{SUBJECT}"', "", " ".join(shown))
