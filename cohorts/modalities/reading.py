"""Tables and files to the measurements of each kind of modality; problems are gathered in the database."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from PIL import Image

from cohorts.checks import in_words
from cohorts.codes import as_code, as_codes, as_numbers, within, without
from cohorts.errors import InputError
from cohorts.modalities.arrays import read_array
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.events import Events
from cohorts.modalities.image import Images
from cohorts.modalities.measurements import Measurements
from cohorts.modalities.tabular import Tabular
from cohorts.modalities.text import Texts
from cohorts.modality import EmbeddingModality, EventsModality, ImageModality, TabularModality, TextModality
from cohorts.sources import raise_if_unfit
from cohorts.spec import sql_text
from cohorts.tables import SUBJECT, Database, first_line, quoted


def read_modality(database: Database, name: str, modality: Any) -> Measurements:
    """Measurements of a modality, a row a subject in the order of the ids.

    What is wrong goes to the database's problems, and the measurements are then those of nobody.
    """
    try:
        return READ[modality.kind](database, name, modality)
    except InputError as error:
        database.problems += error.problems
    except duckdb.Error as error:
        database.problems.append(f"modality {name}: cannot be read ({first_line(error)})")
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
    columns = {}
    for column in modality.columns:
        what = f"{name}.{column}"
        derived = modality.derive.get(column)
        values = raw[column] if derived is None else database.values(f"modality {name}, {column}", derived)
        values = without(values, modality.missing_codes.get(column, []))
        if column in modality.numeric:
            numbers = as_numbers(what, values, database.problems.append).to_numpy()
            columns[column] = pd.Series(within(what, numbers, modality.ranges.get(column), database.notes.append))
        elif column in modality.ordinal:
            places = {as_code(code): float(place) for place, code in enumerate(modality.ordinal[column])}
            columns[column] = _declared(what, as_codes(values), list(places), database).map(places).astype(float)
        else:
            declared = [as_code(code) for code in modality.codes.get(column, [])]
            codes = as_codes(values)
            columns[column] = (_declared(what, codes, declared, database) if declared else codes).astype(object)
    return Tabular(pd.DataFrame(columns))


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
    rows = database.connection.execute(_events_query(database, modality)).df()
    note = database.notes.append
    numbers = as_numbers(f"{name}.value", rows["value"], database.problems.append).to_numpy(copy=True)
    variable, time = rows["variable"].to_numpy(dtype=np.int16), rows["time"].to_numpy(dtype=float)
    for place, label in enumerate(modality.variables):
        mine = variable == place
        if not mine.any():
            note(f"{name}: nobody has the variable {label}")
        codes = [float(code) for code in modality.missing_codes.get(label, []) if _is_number(code)]
        numbers[mine] = np.where(np.isin(numbers[mine], codes), np.nan, numbers[mine])
        numbers[mine] = within(f"{name}.{label}", numbers[mine], modality.ranges.get(label), note)
    untimed = int((np.isnan(time) & ~np.isnan(numbers)).sum())
    if untimed:
        note(f"{name}: {in_words(untimed)} values have no time, and are left out")
    known = ~np.isnan(numbers) & (time >= modality.window[0]) & (time <= modality.window[1])
    subject = np.searchsorted(database.subject_id.astype(str), rows["id"].to_numpy(dtype=str)[known])
    # Equal times are ordered by value, so that the order of the rows of the table does not matter.
    order = np.lexsort((numbers[known], variable[known], time[known], subject))
    start = np.searchsorted(subject[order], np.arange(len(database.subject_id) + 1))
    time, variable, numbers = (part[known][order] for part in (time, variable, numbers))
    return Events(start.astype(np.int64), time, variable, numbers, tuple(modality.variables))


def _events_query(database: Database, modality: EventsModality) -> str:
    """One row a value: id, variable (its place in the spec), time, value."""
    table = quoted(modality.table)
    joined = f"{table} JOIN {database.first} ON {table}.{SUBJECT} = {database.first}.{SUBJECT}"
    time = f"CAST(({modality.time}) AS DOUBLE) AS time"
    if modality.variable and modality.value:
        places = ", ".join(f"({sql_text(name)}, {place})" for place, name in enumerate(modality.variables))
        return (
            f"SELECT {table}.{SUBJECT} AS id, named.place AS variable, {time}, {table}.{quoted(modality.value)} AS value "
            f"FROM {joined} JOIN (VALUES {places}) AS named(name, place) "
            f"ON CAST({table}.{quoted(modality.variable)} AS VARCHAR) = named.name"
        )
    parts = [
        f"SELECT {table}.{SUBJECT} AS id, {place} AS variable, {time}, {table}.{quoted(name)} AS value FROM {joined}"
        for place, name in enumerate(modality.variables)
    ]
    return " UNION ALL ".join(parts)


def _read_embedding(database: Database, name: str, modality: EmbeddingModality) -> Embedding:
    if modality.file:
        rows, present = read_array(database, name, modality, dimensions=(2,))
        values = np.where(present[:, None], rows, np.float32(np.nan))
    elif modality.column_pattern:
        values = _wide_columns(database, name, str(modality.table), modality.column_pattern)
    else:
        values = _list_column(database, name, str(modality.table), str(modality.list_column))
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise InputError(f"modality {name}: {infinite} values are infinite, where numbers must be finite; mend them")
    return Embedding(values)


def _wide_columns(database: Database, name: str, table: str, pattern: str) -> np.ndarray:
    from fnmatch import fnmatchcase

    wide = database.wide[table]
    chosen = [c for c in wide.column_names if fnmatchcase(c, pattern) and c not in database.spec.subject_id]
    if not chosen:
        raise InputError(f"modality {name}: no column of table {table} fits {pattern}; mend `column_pattern`")
    texts = [c for c in chosen if not _numeric_type(wide.schema.field(c).type)]
    if texts:
        raise InputError(
            f"modality {name}: {len(texts)} columns of table {table} that fit {pattern} are not numeric, among them "
            f"{texts[0]}; mend them, or the pattern"
        )
    rows = database.columns(table, ["_row"])["_row"].to_numpy(dtype=float)
    known = np.flatnonzero(~np.isnan(rows))
    values = np.full((len(rows), len(chosen)), np.nan, dtype=np.float32)
    place = rows[known].astype(int)
    for number, column in enumerate(chosen):
        values[known, number] = wide.column(column).to_numpy()[place]
    return values


def _numeric_type(kind: Any) -> bool:
    import pyarrow as pa

    return (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _list_column(database: Database, name: str, table: str, column: str) -> np.ndarray:
    if database.lacks(f"modality {name}", table, [column]):
        return np.full((len(database.subject_id), 1), np.nan, dtype=np.float32)
    lists = database.columns(table, [column])[column]
    known = lists.map(lambda value: isinstance(value, np.ndarray | list)).to_numpy(dtype=bool)
    if (~known & lists.notna().to_numpy()).any():
        raise InputError(f"modality {name}: column {table}.{column} holds no lists of numbers; mend `list_column`")
    lengths = sorted({len(value) for value in lists[known]})
    if len(lengths) != 1 or lengths[0] == 0:
        raise InputError(
            f"modality {name}: the lists of {table}.{column} must all have one length above 0, and have "
            f"{'no values' if not lengths else f'from {lengths[0]} to {lengths[-1]}'}; mend the table"
        )
    values = np.full((len(lists), lengths[0]), np.nan, dtype=np.float32)
    try:
        values[known] = np.stack([np.ma.filled(np.ma.asarray(value, dtype=float), np.nan) for value in lists[known]])
    except (TypeError, ValueError):
        raise InputError(f"modality {name}: the lists of {table}.{column} hold values that are not numbers") from None
    return values


def _read_images(database: Database, name: str, modality: ImageModality) -> Images:
    if modality.file:
        pixels, present = read_array(database, name, modality, dimensions=(3, 4))
        pixels = np.moveaxis(pixels, -1, 1) if pixels.ndim == 4 else pixels[:, None]
        if not np.isfinite(pixels[present]).all():
            raise InputError(f"modality {name}: some pixels are not finite; mend {modality.file}")
        if min(pixels.shape[2:]) < 8:
            raise InputError(
                f"modality {name}: images are {pixels.shape[2]} x {pixels.shape[3]}, and need 8 x 8 at least"
            )
        return Images(np.ascontiguousarray(np.where(present[:, None, None, None], pixels, np.float32(0))), present)
    height, width = modality.size or (0, 0)
    if database.lacks(f"modality {name}", str(modality.table), modality.columns):
        return nobody(modality, len(database.subject_id))  # type: ignore[return-value]
    paths = as_codes(database.columns(str(modality.table), modality.columns)[modality.columns[0]])
    pixels = np.zeros((len(paths), 1, height, width), dtype=np.float32)
    present = paths.notna().to_numpy(dtype=bool)
    broken = 0
    for row in np.flatnonzero(present):
        try:
            pixels[row, 0] = _read_png(database.data, str(paths[row]), (width, height))
        except (OSError, InputError, ValueError, Image.DecompressionBombError):
            broken += 1
    if broken:
        raise InputError(
            f"modality {name}: {in_words(broken)} of {int(present.sum())} images are missing, outside of the data "
            "folder, or cannot be read as PNG; mend the files or the paths"
        )
    return Images(pixels, present)


def _read_png(data: Path, path: str, size: tuple[int, int]) -> np.ndarray:
    file = data / path
    raise_if_unfit(data, [file], "image")
    with Image.open(file, formats=["PNG"]) as image:
        deep = image.mode.startswith(("I", "F"))  # 16 bits and more
        grey = image.convert("F" if deep else "L")
        return np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) / (65535 if deep else 255)


def _read_texts(database: Database, name: str, modality: TextModality) -> Texts:
    if database.lacks(f"modality {name}", modality.table, [modality.column]):
        return nobody(modality, len(database.subject_id))  # type: ignore[return-value]
    texts = as_codes(database.columns(modality.table, [modality.column])[modality.column])
    held = [text if isinstance(text, str) and text.strip() else None for text in texts]
    return Texts(np.array(held, dtype=object))


def _is_number(code: Any) -> bool:
    try:
        float(code)
    except ValueError:
        return False
    return True


READ: dict[str, Any] = {
    "tabular": _read_tabular,
    "events": _read_events,
    "embedding": _read_embedding,
    "image": _read_images,
    "text": _read_texts,
}
