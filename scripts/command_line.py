"""From a typed function to a command: options, --config, --print_config, one clear error, and an exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import yaml
from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser, set_parsing_settings

from cohorts.errors import InputError

EXIT_CODES = {"PASS": 0, "FAIL": 3, "INSUFFICIENT": 4, "ERROR": 5}
BAD_INPUT, INTERRUPTED = 2, 130

set_parsing_settings(docstring_parse_attribute_docstrings=True)


def run(function: Callable[..., str | None], argv: Sequence[str] | None = None) -> int:
    """Parse a function's arguments, call it, and turn what it returns into an exit code.

    Args:
        function: Typed; its docstring says what the command does, and its Args section is the help of its options.
        argv: Words after the command; those of the process where it is None.

    Returns:
        0, or the code of the verdict that the function returned; 2 for bad input, whose problems go to standard error.
    """
    summary, _, rest = (function.__doc__ or "").partition("Args:")
    example = rest.partition("Example:")[2]
    parser = ArgumentParser(prog=f"r2s-{function.__name__}", description=summary.strip())
    parser.add_argument("--config", action="config", help="YAML file of options, such as an earlier run's config.yaml.")
    flags: set[str | int] = {
        name for name, parameter in signature(function).parameters.items() if parameter.annotation is bool
    }
    lists: set[str | int] = {
        name for name, parameter in signature(function).parameters.items() if parameter.annotation == list[str] | None
    }
    parser.add_function_arguments(function, as_group=False, skip=flags | lists)
    for parameter in parse_docstring(function.__doc__ or "").params:
        if parameter.arg_name in flags:
            parser.add_argument(f"--{parameter.arg_name}", action="store_true", help=parameter.description)
        elif parameter.arg_name in lists:
            parser.add_argument(f"--{parameter.arg_name}", nargs="+", type=str, help=parameter.description)
    if example:
        parser.epilog = "example: " + " ".join(example.split())
    options = parser.parse_args(_underscored(function, sys.argv[1:] if argv is None else argv))
    options.pop("config", None)
    try:
        verdict = function(**parser.instantiate(options))
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        return BAD_INPUT
    except OSError as error:
        print(f"error: {error.filename or 'disk'}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    return EXIT_CODES[verdict] if verdict else 0


def _underscored(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """Words in which `--sign-off` has become `--sign_off`, for every option of a function."""
    names = {f"--{name.replace('_', '-')}": f"--{name}" for name in signature(function).parameters}
    parts = [word.partition("=") for word in words]
    return [names.get(option, option) + sign + value for option, sign, value in parts]


def say(text: str) -> None:
    """A line for the person at the terminal, on standard output; who stops reading does not stop the work."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain(value: Any) -> Any:
    """A resolved option as YAML can hold it: dataclasses become maps, paths become texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def config_text(options: dict[str, Any]) -> str:
    """Resolved options as YAML, which `--config` reads again."""
    return yaml.safe_dump(plain(options), sort_keys=False, allow_unicode=True)
