"""Files of an organisation, of whatever format, as something that DuckDB can select from."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.ipc

from cohorts.errors import InputError
from cohorts.spec import Table, sql_text

PARQUET, ARROW, DELTA_LOG = (".parquet", ".pq"), (".arrow", ".feather", ".ipc"), "_delta_log"


def find_files(data: Path, path: str, what: str) -> list[Path]:
    """The files or the Delta table that a path of a spec stands for.

    Args:
        data: Data folder.
        path: File, folder, pattern, or folder of a Delta table, below it.
        what: Whose files, for an error.

    Raises:
        InputError: There are none, they are empty, or a symbolic link leads out of the data folder.
    """
    place = data / path
    if any(sign in path for sign in "*?["):
        found = sorted(file for file in data.glob(path) if file.is_file())
        if not found:
            raise InputError(f"{what}: no file fits {path} in {data}; put some there, or mend `files`")
    elif place.is_dir():
        if (place / DELTA_LOG).is_dir():
            found = [place]
        else:
            found = sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
            if not found:
                raise InputError(f"{what}: {path} is an empty folder; put files there, or mend `files`")
            if len({_format(file) for file in found}) > 1:
                raise InputError(f"{what}: folder {path} holds files of several kinds; name them by a pattern")
    elif place.is_file():
        found = [place]
    else:
        raise InputError(f"{what}: no file {path} in {data}; put it there, or mend `files`")
    raise_if_unfit(data, found, what)
    return found


def raise_if_unfit(data: Path, files: list[Path], what: str) -> None:
    """Refuse files that lie elsewhere by a symbolic link, or are empty."""
    for file in files:
        shown = file.relative_to(data)
        if not file.resolve().is_relative_to(data.resolve()):
            raise InputError(f"{what}: {shown} is a symbolic link out of the data folder; copy the file there")
        if file.is_file() and file.stat().st_size == 0:
            raise InputError(f"{what}: {shown} is empty; export it again")


def select_from(connection: duckdb.DuckDBPyConnection, table: Table, files: list[Path], texts: list[str]) -> str:
    """An SQL SELECT of all rows and columns.

    Args:
        connection: Where Arrow and Delta tables are registered.
        table: How to read them.
        files: From `find_files`.
        texts: Columns that are read as texts, which keeps the leading zeros of ids.

    Raises:
        duckdb.Error: They cannot be read as what they seem to be.
        InputError: The Delta reader is not installed.
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
    options = f"{listed}, header = {str(table.header).lower()}, nullstr = [{nulls}], sample_size = -1, union_by_name = "
    options += str(table.header and len(files) > 1).lower()
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
        return pyarrow.dataset.dataset([str(file) for file in files], format="parquet").to_table()
    if kind == "arrow":
        return _arrow(files)
    if kind == "delta":
        return _delta(files[0])
    return pa.concat_tables([_read_wide_csv(table, file, texts) for file in files], promote_options="permissive")


def _read_wide_csv(table: Table, file: Path, texts: list[str]) -> pa.Table:
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(column_names=table.columns or None, block_size=1 << 26),
        parse_options=pyarrow.csv.ParseOptions(delimiter="\t" if file.suffix in (".tsv", ".tab") else ","),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in texts},
            null_values=["", "NA", "NaN", "nan", *table.missing_codes],
            strings_can_be_null=True,
        ),
    )


def _format(file: Path) -> str:
    if file.is_dir():
        return "delta"
    return "parquet" if file.suffix in PARQUET else "arrow" if file.suffix in ARROW else "csv"


def _hive(files: list[Path]) -> str:
    return str(all("=" in file.parent.name for file in files)).lower()


def _arrow(files: list[Path]) -> pa.Table:
    return pyarrow.dataset.dataset([str(file) for file in files], format="ipc").to_table()


def _delta(folder: Path) -> Any:
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise InputError(
            f"table {folder.name}: is a Delta table; install what reads it with `pip install 'rich2sparse[delta]'`"
        ) from None
    return DeltaTable(str(folder)).to_pyarrow_table()
