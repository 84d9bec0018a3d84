"""SQL expressions that a spec holds: as texts, which columns they may name, and what they may not do."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cohorts.errors import InputError

if TYPE_CHECKING:
    import duckdb

KEYWORDS = frozenset(  # of SQL expressions
    re.findall(
        r"\w+",
        "and or not null is in case when then else end true false like between cast as distinct from double integer "
        "bigint varchar boolean date timestamp",
    )
)
CLOCKS = {"now", "today", "current_date", "current_timestamp", "current_time", "localtime", "localtimestamp"}


def sql_text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def columns_in(expression: str) -> set[str]:
    """Words of an SQL expression that may be columns: no text, keyword, function or table."""
    unquoted = re.sub(r"'[^']*'", "", expression)
    words = {word.casefold() for word in re.findall(r'"([^"]+)"', unquoted)}
    bare = re.sub(r'"[^"]*"', " ", unquoted)
    words |= {word.casefold() for word in re.findall(r"\b[A-Za-z_]\w*\b(?!\s*[(.])", bare)}
    return words - KEYWORDS


def speaks_of(expression: str, column: str) -> bool:
    """Whether an expression names a column, or may."""
    if column.casefold() not in expression.casefold():  # much faster, for very many columns
        return False
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", expression, re.IGNORECASE) is not None


def one_expression(connection: "duckdb.DuckDBPyConnection", what: str, sql: str) -> None:
    """Refuse SQL that is more than one expression.

    Raises:
        InputError: It would end the statement in which it stands, and begin another.
        duckdb.Error: It is no SQL.
    """
    if len(connection.extract_statements(f"SELECT ({sql})")) != 1:
        raise InputError(f"{what} `{sql}`: must be one SQL expression; drop the semicolon and what follows it")


def of_one_subject(connection: "duckdb.DuckDBPyConnection", what: str, sql: str) -> None:
    """Refuse SQL whose value for a subject depends on other subjects, on chance or on the clock.

    Raises:
        InputError: It does.
    """
    tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [f"SELECT ({sql})"]).fetchall()[0][0])
    parts = set(_parts_of(tree))
    functions = (
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate' OR stability = "
    )
    impure = {row[0] for row in connection.execute(functions + "'VOLATILE'").fetchall()} | CLOCKS
    found = sorted(parts & (impure | {"WINDOW", "SUBQUERY"})) + sorted(set(re.findall(r"\w+", sql.lower())) & CLOCKS)
    if found:
        raise InputError(
            f"{what} `{sql}`: uses {found[0]}, and a subject's value must follow from the subject's own row alone; "
            "compute it when the tables are made"
        )


def _parts_of(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from (str(tree[key]) for key in ("class", "function_name") if key in tree)
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _parts_of(part)
