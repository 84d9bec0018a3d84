"""Files of an organisation, of whatever format, as something that DuckDB can select from."""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet

from cohorts.csv_files import check_csv, delimiter_of, names_in_csv
from cohorts.errors import InputError
from cohorts.expressions import sql_text
from cohorts.spec import Table, below_the_data_folder

PARQUET, ARROW, DELTA_LOG = (".parquet", ".pq"), (".arrow", ".feather", ".ipc"), "_delta_log"


def find_file(data: Path, path: str, what: str) -> Path:
    """The one file that a path stands for, which is no folder and no pattern.

    Raises:
        InputError: There is none, it is empty, or it lies outside of the data folder.
    """
    if _lies_at(data / path, what) != "file":
        raise InputError(f"{what}: no file {path} in {data}; put it there, or mend `file`")
    raise_if_unfit(data, [data / path], what)
    return data / path


def find_files(data: Path, path: str, what: str) -> list[Path]:
    """The files or the Delta table that a path of a spec stands for.

    Args:
        data: Data folder.
        path: File, folder, pattern, or folder of a Delta table, below it.
        what: Whose files, for an error.

    Raises:
        InputError: There are none, they are empty, or they lie outside of the data folder.
    """
    place = data / path
    if any(sign in path for sign in "*?["):
        try:
            found = sorted(file for file in data.glob(path) if file.is_file())
        except ValueError:
            raise InputError(f"{what}: {path} is no pattern of files (`**` must stand alone); mend `files`") from None
        if not found:
            raise InputError(f"{what}: no file fits {path} in {data}; put some there, or mend `files`")
    elif (lies := _lies_at(place, what)) == "folder":
        if (place / DELTA_LOG).is_dir():
            found = [place]
        else:
            found = sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
            if not found:
                raise InputError(f"{what}: {path} is an empty folder; put files there, or mend `files`")
            if len({_format(file) for file in found}) > 1:
                raise InputError(f"{what}: folder {path} holds files of several kinds; name them by a pattern")
    elif lies == "file":
        found = [place]
    else:
        raise InputError(f"{what}: no file {path} in {data}; put it there, or mend `files`")
    raise_if_unfit(data, found, what)
    return found


def _lies_at(place: Path, what: str) -> str:
    """Whether there is a file, a folder or nothing."""
    try:
        return "folder" if place.is_dir() else "file" if place.is_file() else ""
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        raise InputError(f"{what}: its path cannot be followed ({error.strerror}); mend it") from None


def raise_if_unfit(data: Path, files: list[Path], what: str) -> None:
    """Refuse files that lie elsewhere by a symbolic link, or are empty."""
    for file in files:
        if not below_the_data_folder(str(file.relative_to(data)) if file.is_relative_to(data) else str(file)):
            raise InputError(f"{what}: {file} is not a path below the data folder; copy the file there")
        shown = file.relative_to(data)
        if not file.resolve().is_relative_to(data.resolve()):
            raise InputError(f"{what}: {shown} is a symbolic link out of the data folder; copy the file there")
        if file.is_file() and file.stat().st_size == 0:
            raise InputError(f"{what}: {shown} is empty; export it again")


def check_columns(table: Table, files: list[Path], what: str) -> list[str]:
    """Look at the names of the columns of every file.

    Returns:
        Notes, where files that are stacked have other columns.

    Raises:
        InputError: A CSV is none, or a file has columns that are named alike but for capitals.
        pyarrow.ArrowException: A file cannot be read as what it seems to be.
    """
    if _format(files[0]) == "delta":
        return []
    named = []
    for file in files:
        if _format(file) == "csv":
            check_csv(file, what)
        names = table.columns or _names_in(file)
        count = Counter(map(str.casefold, names))
        twins = sorted({name for name in names if count[name.casefold()] > 1})
        if twins:
            raise InputError(
                f"{what}: {file.name} has columns whose names are alike, or differ only in capitals: "
                f"{', '.join(twins[:MOST_NAMED])}; rename or drop one"
            )
        named.append(set(names))
    every = set().union(*named)
    lacking = sorted(set().union(*(every - names for names in named)))
    if not lacking:
        return []
    shown = ", ".join(lacking[:MOST_NAMED]) + (", ..." if len(lacking) > MOST_NAMED else "")
    return [f"{what}: some of its {len(files)} files lack columns that others have, absent in their rows: {shown}"]


def _names_in(file: Path) -> list[str]:
    kind = _format(file)
    if kind == "csv":
        return names_in_csv(file)
    if kind == "parquet":
        return list(pyarrow.parquet.read_schema(file).names)
    with pa.memory_map(str(file)) as source:
        return list(pyarrow.ipc.open_file(source).schema.names)


MOST_NAMED = 10  # columns that a sentence names


def select_from(connection: duckdb.DuckDBPyConnection, table: Table, files: list[Path], texts: list[str]) -> str:
    """An SQL SELECT of all rows and columns.

    Args:
        connection: Where Arrow and Delta tables are registered.
        table: How to read them.
        files: From `find_files`.
        texts: Columns that are read as texts, which keeps the leading zeros of ids.

    Raises:
        duckdb.Error: They cannot be read as what they seem to be.
        InputError: The Delta reader is not installed, or the table's log is broken.
    """
    listed = f"[{', '.join(sql_text(str(file)) for file in files)}]"
    kind = _format(files[0])
    if kind == "parquet":
        return f"SELECT * FROM read_parquet({listed}, union_by_name = true, hive_partitioning = {_hive(files)})"
    if kind in ("arrow", "delta"):
        name = f"_arrow_{abs(hash(tuple(files)))}"
        connection.register(name, _arrow(files) if kind == "arrow" else _delta(files[0]))
        return f"SELECT * FROM {name}"
    nulls = ", ".join(sql_text(code) for code in ["", *table.missing_codes])
    # Without skip and comment, lines at the start or with a # would be dropped without a word.
    options = f"{listed}, header = {str(table.header).lower()}, nullstr = [{nulls}], sample_size = -1, skip = 0, "
    options += "comment = '', union_by_name = "
    options += f"{str(table.header and len(files) > 1).lower()}, decimal_separator = {sql_text(table.decimal)}"
    if files[0].name.removesuffix(".gz").endswith((".tsv", ".tab")):
        options += ", delim = '\t'"
    if table.columns:
        options += f", names = [{', '.join(sql_text(column) for column in table.columns)}]"
    sniffed = connection.execute(f"DESCRIBE SELECT * FROM read_csv({options})").fetchall()
    # Yes and no stay what they are.
    as_text = [row[0] for row in sniffed if row[0] in texts or row[1] == "BOOLEAN"]
    types = ", ".join(f"{sql_text(column)}: 'VARCHAR'" for column in as_text)
    return f"SELECT * FROM read_csv({options}{f', types = {{{types}}}' if types else ''})"


def read_wide(table: Table, files: list[Path], texts: list[str]) -> pa.Table:
    """All rows of a table with very many columns, which Arrow reads better than a database does.

    Raises:
        pyarrow.ArrowInvalid: They cannot be read as what they seem to be.
    """
    kind = _format(files[0])
    if kind == "parquet":
        # One thread: with several, each of 100,000 columns is a task with buffers of its own, tens of gigabytes in all.
        parts = [pyarrow.parquet.ParquetFile(file, pre_buffer=False).read(use_threads=False) for file in files]
        return pa.concat_tables(parts, promote_options="permissive")
    if kind == "arrow":
        return _arrow(files)
    if kind == "delta":
        return _delta(files[0])
    return pa.concat_tables([_read_wide_csv(table, file, texts) for file in files], promote_options="permissive")


def _read_wide_csv(table: Table, file: Path, texts: list[str]) -> pa.Table:
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(column_names=table.columns or None, block_size=1 << 26),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter_of(file)),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in texts},
            null_values=["", "NA", "NaN", "nan", *table.missing_codes],
            strings_can_be_null=True,
            decimal_point=table.decimal,
        ),
    )


def _format(file: Path) -> str:
    if file.is_dir():
        return "delta"
    return "parquet" if file.suffix in PARQUET else "arrow" if file.suffix in ARROW else "csv"


def _hive(files: list[Path]) -> str:
    return str(all("=" in file.parent.name for file in files)).lower()


def _arrow(files: list[Path]) -> pa.Table:
    parts = [pyarrow.dataset.dataset(str(file), format="ipc").to_table() for file in files]
    return pa.concat_tables(parts, promote_options="permissive")


def _delta(folder: Path) -> Any:
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise InputError(
            f"table {folder.name}: is a Delta table; install what reads it with `pip install '.[delta]'`"
        ) from None
    try:
        table = DeltaTable(str(folder))
        places = [Path(unquote(urlparse(uri).path)) if "://" in uri else Path(uri) for uri in table.file_uris()]
        if not all(place.resolve().is_relative_to(folder.resolve()) for place in places):
            raise InputError(f"table {folder.name}: its Delta log names files outside of its folder; copy the table")
        return table.to_pyarrow_table()
    except (DeltaError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"table {folder.name}: cannot be read as a Delta table ({type(error).__name__}); mend its log, or export "
            "the table as Parquet"
        ) from None
