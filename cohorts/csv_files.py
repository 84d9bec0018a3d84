"""What can be seen of a CSV before it is read: that it is one, in UTF-8, and how its columns are named."""

import csv
import gzip
import io
from pathlib import Path
from typing import BinaryIO

from cohorts.errors import InputError

STARTS = {  # first bytes of what is no CSV
    b"PK\x03\x04": "is an Excel or zip file; save the table as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is an Excel file; save the table as CSV in UTF-8",
    b"PAR1": "is a Parquet file; let its name end in .parquet",
    b"ARROW1": "is an Arrow file; let its name end in .arrow",
    b"\xff\xfe": "is text in UTF-16; save it in UTF-8",
    b"\xfe\xff": "is text in UTF-16; save it in UTF-8",
    b"\x1f\x8b": "is compressed; let its name end in .csv.gz, or unpack it",
}
CHUNK = 1 << 22
DELIMITERS = ",\t;|"


def check_csv(file: Path, what: str) -> None:
    """Refuse a file that is no text.

    Raises:
        InputError: It is of another kind, holds NUL bytes, or nothing but blanks.
    """
    blank = True
    try:
        with _open(file) as stream:
            first = True
            while chunk := stream.read(CHUNK):
                for start, sentence in STARTS.items() if first else ():
                    if chunk.startswith(start):
                        raise InputError(f"{what}: {file.name} {sentence}")
                if b"\0" in chunk:
                    raise InputError(f"{what}: {file.name} holds NUL bytes, which are no text; export it again")
                blank, first = blank and not chunk.strip(), False
    except (gzip.BadGzipFile, EOFError):
        raise InputError(f"{what}: {file.name} cannot be unpacked; export it again") from None
    if blank:
        raise InputError(f"{what}: {file.name} is empty; export it again")


def names_in_csv(file: Path) -> list[str]:
    """Names of the columns, from the first line."""
    with _open(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="") as text:
        try:
            return next(csv.reader(text, delimiter=delimiter_of(file)), [])
        except csv.Error:  # one endless field
            return []


def delimiter_of(file: Path) -> str:
    """What stands between the fields: a comma, unless the first line has more of something else."""
    with _open(file) as stream:
        line = stream.readline(CHUNK).decode("utf-8", "replace")
    return max(DELIMITERS, key=line.count)


def _open(file: Path) -> BinaryIO:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]
