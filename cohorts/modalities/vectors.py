"""Embeddings and images from columns, lists, arrays and PNG files."""

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from cohorts.codes import as_texts
from cohorts.errors import InputError
from cohorts.expressions import quoted, speaks_of
from cohorts.files import digest_of_text
from cohorts.limits import in_words
from cohorts.modalities.arrays import read_array
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.image import Images
from cohorts.modality import EmbeddingModality, ImageModality
from cohorts.sources import raise_if_unfit
from cohorts.tables import ROW, SUBJECT, Database

MOST_PIXELS = 50_000_000  # of a PNG
NUMERIC_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def read_embedding(database: Database, name: str, modality: EmbeddingModality) -> Embedding:
    """Vectors from columns, from a list column or from an array.

    Raises:
        InputError: They are not there, are no finite numbers, or differ in length.
    """
    columns = ""
    if modality.file:
        rows, present = read_array(database, name, modality, dimensions=(2,))
        values = np.where(present[:, None], rows, np.float32(np.nan))
    elif modality.column_pattern:
        values, columns = _wide_columns(database, name, str(modality.table), modality.column_pattern)
    else:
        values = _list_column(database, name, str(modality.table), str(modality.list_column))
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise InputError(
            f"modality {name}: {in_words(infinite)} values are infinite, where numbers must be finite; mend them"
        )
    return Embedding(values, columns)


def _wide_columns(database: Database, name: str, table: str, pattern: str) -> tuple[np.ndarray, str]:
    """Values in the order of the names, so that the order of the columns does not matter, and a digest of the names."""
    types = _column_types(database, table)
    others = {
        column
        for other, modality in database.spec.modalities.items()
        if other != name and table in modality.tables
        for column in modality.columns
    }
    chosen = sorted(c for c in types if fnmatchcase(c, pattern) and c not in database.spec.subject_id)
    if not chosen:
        raise InputError(f"modality {name}: no column of table {table} fits {pattern}; mend `column_pattern`")
    leaks = [c for c in chosen if speaks_of(database.spec.label, c)] + [c for c in chosen if c in others]
    texts = [c for c in chosen if not types[c]]
    if leaks:
        raise InputError(
            f"modality {name}: {pattern} fits {leaks[0]}, which is in the label or in another modality; mend "
            "the pattern"
        )
    if texts:
        raise InputError(
            f"modality {name}: {len(texts)} columns of table {table} that fit {pattern} are not numeric, among them "
            f"{texts[0]}; mend them, or the pattern"
        )
    size = len(database.subject_id)
    values = np.full((size, len(chosen)), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # what a float32 cannot hold becomes infinite, which is refused
        if table not in database.wide:
            values[:] = database.columns(table, chosen).to_numpy(dtype=float, na_value=np.nan)
        else:
            rows = database.columns(table, [ROW])[ROW].to_numpy(dtype=float)
            known = np.flatnonzero(~np.isnan(rows))
            place = rows[known].astype(int)
            for number, column in enumerate(chosen):
                numbers = database.wide[table].column(column).cast(pa.float64(), safe=False)
                values[known, number] = numbers.to_numpy()[place]
    return values, digest_of_text("\n".join(chosen))


def _column_types(database: Database, table: str) -> dict[str, bool]:
    """Column to whether it is numeric."""
    if table in database.wide:
        return {field.name: _numeric_type(field.type) for field in database.wide[table].schema}
    described = database.connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
    return {
        row[0]: row[1].removeprefix("U").startswith(NUMERIC_TYPES) and not row[1].endswith("]")
        for row in described
        if row[0] != SUBJECT
    }


def _numeric_type(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)


def _list_column(database: Database, name: str, table: str, column: str) -> np.ndarray:
    if database.lacks(f"modality {name}", table, [column]):
        return np.full((len(database.subject_id), 1), np.nan, dtype=np.float32)
    lists = database.columns(table, [column], lists=True)[column]
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
        raise InputError(
            f"modality {name}: the lists of {table}.{column} hold values that are not numbers; mend it"
        ) from None
    return values


def read_images(database: Database, name: str, modality: ImageModality) -> Images:
    """Images from PNG files or from an array.

    Raises:
        InputError: Some are missing, outside of the data folder, no PNG, too small, or not finite.
    """
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
        size = len(database.subject_id)
        return Images(np.zeros((size, 1, height, width), dtype=np.float32), np.zeros(size, dtype=bool))
    paths = as_texts(database.columns(str(modality.table), modality.columns)[modality.columns[0]])
    pixels = np.zeros((len(paths), 1, height, width), dtype=np.float32)
    present = paths.notna().to_numpy(dtype=bool)
    broken = 0
    for row in np.flatnonzero(present):
        try:
            pixels[row, 0] = _read_png(database.data, str(paths[row]), (width, height))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
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
        if image.width * image.height > MOST_PIXELS:
            raise ValueError
        deep = image.mode.startswith(("I", "F"))  # 16 bits and more
        grey = image.convert("F" if deep else "L")
        return np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) / (65535 if deep else 255)
