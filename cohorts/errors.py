"""The one error that a user meets: bad input, with all its problems at once."""

from collections.abc import Sequence


class InputError(ValueError):
    """Input that cannot be used. Scripts print its problems, one a line, and exit with 2.

    Args:
        problems: One sentence each: the thing, the rule, the value, the way out. Never a subject identifier or a row.

    Example:
        >>> str(InputError("label: has one class"))
        'label: has one class'
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def raise_if(problems: Sequence[str]) -> None:
    """Raise one InputError that holds every problem; do nothing where there is none."""
    if problems:
        raise InputError(problems)
