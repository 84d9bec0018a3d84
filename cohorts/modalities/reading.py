"""Tables and files to the measurements of each kind of modality; problems are gathered in the database."""

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from cohorts.codes import as_code, as_codes, as_numbers, as_texts, within, without
from cohorts.errors import InputError
from cohorts.expressions import of_one_subject, one_expression, quoted, speaks_of, sql_text
from cohorts.limits import SMALLEST_SHOWN, in_words
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.events import Events
from cohorts.modalities.image import Images
from cohorts.modalities.measurements import Measurements
from cohorts.modalities.tabular import Tabular
from cohorts.modalities.text import Texts
from cohorts.modalities.vectors import read_embedding, read_images
from cohorts.modality import EventsModality, TabularModality, TextModality
from cohorts.tables import SUBJECT, Database, first_line

MOST_LEVELS = 1000  # of a categorical column


def read_modality(database: Database, name: str, modality: Any) -> Measurements:
    """Measurements of a modality, a row a subject in the order of the ids.

    What is wrong goes to the database's problems, and the measurements are then those of nobody.
    """
    try:
        return READ[modality.kind](database, name, modality)
    except InputError as error:
        database.problems += error.problems
    except (duckdb.Error, pa.ArrowException) as error:
        database.problems.append(f"modality {name}: cannot be read ({first_line(error)}); mend its table")
    return nobody(modality, len(database.subject_id))


def nobody(modality: Any, size: int) -> Measurements:
    """Measurements of a modality that nobody has."""
    if modality.kind == "tabular":
        kinds = {column: object if column in modality.categorical else float for column in modality.columns}
        columns = {column: pd.Series(None, range(size), dtype=kind) for column, kind in kinds.items()}
        return Tabular(pd.DataFrame(columns))
    if modality.kind == "events":
        none = np.zeros(0)
        return Events(np.zeros(size + 1, dtype=np.int64), none, none.astype(np.int16), none, tuple(modality.variables))
    if modality.kind == "embedding":
        return Embedding(np.full((size, 1), np.nan, dtype=np.float32))
    if modality.kind == "image":
        return Images(np.zeros((size, 1, 8, 8), dtype=np.float32), np.zeros(size, dtype=bool))
    return Texts(np.full(size, None, dtype=object))


def _read_tabular(database: Database, name: str, modality: TabularModality) -> Tabular:
    stored = [column for column in modality.columns if column not in modality.derive]
    if database.lacks(f"modality {name}", modality.table, stored):
        return Tabular(pd.DataFrame(index=range(len(database.subject_id))))
    raw = database.columns(modality.table, stored) if stored else pd.DataFrame()
    columns: dict[str, pd.Series] = {}
    outside: list[str] = []
    for column in modality.columns:
        what = f"{name}.{column}"
        derived = modality.derive.get(column)
        values = raw[column] if derived is None else database.values(f"modality {name}, {column}", derived)
        values = without(values, modality.missing_codes.get(column, []))
        if column in modality.numeric:
            numbers = as_numbers(what, values, database.problems.append).to_numpy()
            columns[column] = pd.Series(within(column, numbers, modality.ranges.get(column), outside))
        elif column in modality.ordinal:  # the position of the code
            places = {as_code(code): float(place) for place, code in enumerate(modality.ordinal[column])}
            columns[column] = _declared(what, as_codes(values), list(places), database).map(places).astype(float)
        else:
            declared = [as_code(code) for code in modality.codes.get(column, [])]
            codes = as_codes(values)
            columns[column] = (_declared(what, codes, declared, database) if declared else codes).astype(object)
            _check_levels(what, columns[column], database)
    for column, sql in modality.derive.items():
        raw_codes = [other for other in modality.missing_codes if other != column and speaks_of(sql, other)]
        if raw_codes:
            database.notes.append(
                f"{name}.{column}: is derived from {', '.join(raw_codes)} as it stands in the table, missing codes "
                "included; leave them out in `derive`"
            )
    _note_outside(name, outside, database)
    return Tabular(pd.DataFrame(columns))


def _note_outside(name: str, outside: list[str], database: Database) -> None:
    if outside:
        listed = ", ".join(outside)
        database.notes.append(f"{name}: values outside of their plausible range count as absent: {listed}")


def _check_levels(what: str, codes: pd.Series, database: Database) -> None:
    counts = codes.value_counts()
    rare = int(counts[counts < SMALLEST_SHOWN].sum())
    if (len(counts) > MOST_LEVELS and rare > counts.sum() / 2) or int((counts >= SMALLEST_SHOWN).sum()) > MOST_LEVELS:
        database.problems.append(
            f"column {what}: has {len(counts)} different codes, where {MOST_LEVELS} can be told apart at most; if it "
            "holds free text, make it a modality of kind text; else group its codes with `derive`, or drop it"
        )


def _declared(what: str, codes: pd.Series, declared: list[str | None], database: Database) -> pd.Series:
    undeclared = codes.notna() & ~codes.isin(declared)
    count = int(undeclared.sum())
    if count:
        database.notes.append(f"{what}: {in_words(count)} values are codes that are not declared, and count as absent")
    return codes.mask(undeclared, None)


def _read_events(database: Database, name: str, modality: EventsModality) -> Events:
    needed = [modality.variable, modality.value] if modality.variable and modality.value else modality.variables
    if database.lacks(f"modality {name}", modality.table, needed):
        return nobody(modality, len(database.subject_id))  # type: ignore[return-value]
    rows = database.connection.execute(_events_query(database, name, modality)).df()
    note, outside = database.notes.append, list[str]()
    variable, time = rows["variable"].to_numpy(dtype=np.int16), rows["time"].to_numpy(dtype=float)
    for place, label in enumerate(modality.variables):
        if label in modality.missing_codes:
            mine = rows["variable"] == place
            rows.loc[mine, "value"] = without(rows.loc[mine, "value"], modality.missing_codes[label])
    numbers = as_numbers(f"{name}.value", rows["value"], database.problems.append).to_numpy(copy=True)
    for place, label in enumerate(modality.variables):
        mine = variable == place
        if not mine.any():
            note(f"{name}: nobody has the variable {label}")
        numbers[mine] = within(label, numbers[mine], modality.ranges.get(label), outside)
    _note_outside(name, outside, database)
    untimed = int((np.isnan(time) & ~np.isnan(numbers)).sum())
    if untimed:
        note(f"{name}: {in_words(untimed)} values have no time, and are left out")
    inside = (time >= modality.window[0]) & (time <= modality.window[1])
    _note_window(name, modality, time[~np.isnan(numbers) & ~np.isnan(time)], database)
    known = ~np.isnan(numbers) & inside
    subject = np.searchsorted(database.subject_id.astype(str), rows["id"].to_numpy(dtype=str)[known])
    # Equal times are ordered by value, so that the order of the rows of the table does not matter.
    order = np.lexsort((numbers[known], variable[known], time[known], subject))
    start = np.searchsorted(subject[order], np.arange(len(database.subject_id) + 1))
    time, variable, numbers = (part[known][order] for part in (time, variable, numbers))
    return Events(start.astype(np.int64), time, variable, numbers, tuple(modality.variables))


def _note_window(name: str, modality: EventsModality, time: np.ndarray, database: Database) -> None:
    """Say so where many values lie outside of the window, as they do when it is in another unit than the times."""
    first, last = modality.window
    outside = float(((time < first) | (time > last)).mean()) if len(time) else 0.0
    if outside > MUCH_OUTSIDE:
        low, high = np.quantile(time, (0.01, 0.99))
        database.notes.append(
            f"{name}: {outside:.0%} of its values lie outside of the window {first:g} to {last:g}, while most times "
            f"run from {low:.3g} to {high:.3g}; see whether both are in one unit"
        )


def _events_query(database: Database, name: str, modality: EventsModality) -> str:
    """One row a value: id, variable (its place in the spec), time, value.

    Raises:
        InputError: The time gives no numbers.
    """
    table = quoted(modality.table)
    joined = f"{table} JOIN {database.first} ON {table}.{SUBJECT} = {database.first}.{SUBJECT}"
    time = f"CAST(({modality.time}) AS DOUBLE) AS time"
    try:
        one_expression(database.connection, f"modality {name}, time", modality.time)
        of_one_subject(database.connection, f"modality {name}, time", modality.time)
        database.connection.execute(f"SELECT count({time.removesuffix(' AS time')}) FROM {joined}").fetchall()
    except duckdb.Error as error:
        raise InputError(
            f"modality {name}: its time `{modality.time}` cannot be computed as a number "
            f"({first_line(error, computing=True)}); give "
            "one on each subject's own clock, such as `date_diff('minute', admitted, charted)`"
        ) from None
    if modality.variable and modality.value:
        places = ", ".join(f"({sql_text(name)}, {place})" for place, name in enumerate(modality.variables))
        return (
            f"SELECT {table}.{SUBJECT} AS id, named.place AS variable, {time}, "
            f"{table}.{quoted(modality.value)} AS value FROM {joined} JOIN (VALUES {places}) AS named(name, place) "
            f"ON CAST({table}.{quoted(modality.variable)} AS VARCHAR) = named.name"
        )
    parts = [
        f"SELECT {table}.{SUBJECT} AS id, {place} AS variable, {time}, {table}.{quoted(name)} AS value FROM {joined}"
        for place, name in enumerate(modality.variables)
    ]
    return " UNION ALL ".join(parts)


def _read_texts(database: Database, name: str, modality: TextModality) -> Texts:
    if database.lacks(f"modality {name}", modality.table, [modality.column]):
        return nobody(modality, len(database.subject_id))  # type: ignore[return-value]
    texts = as_texts(database.columns(modality.table, [modality.column])[modality.column])
    held = [text if isinstance(text, str) and text.strip() else None for text in texts]
    return Texts(np.array(held, dtype=object))


MUCH_OUTSIDE = 0.3  # share of values
READ: dict[str, Any] = {
    "tabular": _read_tabular,
    "events": _read_events,
    "embedding": read_embedding,
    "image": read_images,
    "text": _read_texts,
}
