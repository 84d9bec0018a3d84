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

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


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
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        shipped = ", ".join(sorted(entry.stem for entry in shelf.glob("*.yaml")))
        raise InputError(f"{kind} {name}: no such file, nor one of those that ship: {shipped}") from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{kind} {name}: cannot be read as YAML ({error.problem}{line})") from None
    except UnicodeDecodeError:
        raise InputError(f"{kind} {name}: is not text in UTF-8; save it as such") from None
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{kind} {name}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    except (ValueError, AttributeError, RecursionError) as error:  # a date such as 2024-13-45; parts within parts
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"a value is none: {error}"
        raise InputError(f"{kind} {name}: cannot be read as YAML ({reason})") from None


MOST_PARTS = 100_000  # of a document, those that aliases repeat counted each time


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key that is given twice, and aliases that make much out of little."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _num_parts(node, {}) > MOST_PARTS:
            raise yaml.composer.ComposerError(None, None, "its aliases repeat too much", node.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"the field {key.value} is given twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return node


def _num_parts(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of a node's parts, itself included; as good as infinite where it is a part of itself."""
    if id(node) not in known:
        known[id(node)] = MOST_PARTS + 1
        children: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        known[id(node)] = 1 + sum(_num_parts(child, known) for child in children)
    return known[id(node)]


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
        raise InputError([f"{where}: {sentence}" for sentence in dict.fromkeys(sentences)]) from None


def _sentences(item: Any, fields: str, of_kinds: Sequence[str]) -> list[str]:
    place = [str(part) for part in item["loc"]]
    if place and place[0] in of_kinds:
        del place[2:3]
    field = ".".join(part for part in place if not part.startswith("literal[")) or "as a whole"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"is not a field; {fields}"
    elif item["type"] == "union_tag_invalid":
        message = f"is of kind {item['ctx']['tag']!r}, where there are {item['ctx']['expected_tags']}"
    value = repr(item["input"])
    shown = (
        ""
        if isinstance(item["input"], dict | list)
        else f" (value: {value[:97] + '...' if len(value) > 100 else value})"
    )
    return [f"{field}: {part}{shown}" for part in (message.split("\n") if item["type"] == "value_error" else [message])]
