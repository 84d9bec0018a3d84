"""Files that are whole or absent, and their digests: write beside, then rename."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohorts.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TABLE_ENDINGS = (".csv", ".parquet")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no NaN, so that equal content has equal bytes.

    Raises:
        ValueError: The value holds a NaN or an infinity, which JSON does not have.

    Example:
        >>> print(canonical_json({"b": 1, "a": [True, None]}), end="")
        {
         "a": [
          true,
          null
         ],
         "b": 1
        }
    """
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest_of_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, flush it to disk, and rename it: a kill leaves the old file or the new one."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV or Parquet, by the ending of its name, whole or not at all.

    Raises:
        InputError: The ending is another.
    """
    if path.suffix not in TABLE_ENDINGS:
        raise InputError(f"{path}: must end in {' or '.join(TABLE_ENDINGS)}")
    content = table.to_csv(index=False).encode() if path.suffix == ".csv" else table.to_parquet(index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside its place and rename it at the end; on an error nothing is left.

    Raises:
        InputError: Something is at the place already.
    """
    if path.exists():
        raise InputError(f"{path}: already there, and would be overwritten; choose another place or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield beside
        os.chmod(beside, 0o755)
        os.replace(beside, path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file, or say in one sentence why it cannot be read.

    Raises:
        InputError: The file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {what} was expected there") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as {what} ({error})") from None
