"""YAML documents that people write, specs and policies: found by path or name, checked, all problems at once."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text

NAME = r"^[a-z][a-z0-9_]*$"
Checked = TypeVar("Checked", bound=BaseModel)


class Strict(BaseModel):
    """A part of a document: unknown fields are refused, nothing changes once read, a text under a field is its help."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Document(Strict):
    """A whole document."""

    of_kinds: ClassVar[tuple[str, ...]] = ()
    """Fields that map names to parts of several kinds; the kind, which pydantic writes into a place, is left out."""

    @property
    def digest(self) -> str:
        """SHA-256 of its content, as 64 hexadecimal digits; the order of fields does not matter."""
        return digest_of_text(canonical_json(self.model_dump(mode="json")))


def read_document(name: str, kind: str, shelf: Path) -> Any:
    """Content of a document.

    Args:
        name: Path of a YAML file, or name of one that ships.
        kind: What to call it in an error.
        shelf: Folder of those that ship.

    Raises:
        InputError: There is none, or it is not YAML.
    """
    path = shelf / f"{name}.yaml" if re.match(NAME, name) else Path(name)
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(sorted(entry.stem for entry in shelf.glob("*.yaml")))
        raise InputError(f"{kind} {name}: no such file, nor one of those that ship: {shipped}") from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{kind} {name}: cannot be read as YAML ({error.problem}{line})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{kind} {name}: cannot be read as YAML ({error})") from None


def check_document(model: type[Checked], content: Any, where: str, fields: str) -> Checked:
    """Check a document's content.

    Args:
        model: What it must be.
        content: Plain dicts, lists, texts and numbers.
        where: What to call it in an error.
        fields: Where to find the names of its fields, for who used another.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: must be a YAML map of fields; {fields}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        sentences = [s for item in error.errors() for s in _sentences(item, fields, getattr(model, "of_kinds", ()))]
        raise InputError([f"{where}: {sentence}" for sentence in sentences]) from None


def _sentences(item: Any, fields: str, of_kinds: Sequence[str]) -> list[str]:
    place = [str(part) for part in item["loc"]]
    if place and place[0] in of_kinds:
        del place[2:3]
    field = ".".join(place) or "as a whole"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"is not a field; {fields}"
    shown = "" if isinstance(item["input"], dict | list) else f" (value: {item['input']!r})"
    return [f"{field}: {part}{shown}" for part in (message.split("; ") if item["type"] == "value_error" else [message])]
