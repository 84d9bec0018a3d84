"""The kinds of modality, as a spec writes them: tabular, events, embedding, image and text."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from cohorts.documents import Strict

Several = Literal["mean", "first", "last", "min", "max", "sum"]
Code = float | str


class _Modality(Strict):
    """What all kinds share. Of every file, the path is below the data folder."""

    @field_validator("missing_codes", mode="before", check_fields=False)
    @classmethod
    def _yes_is_no_code(cls, value: Any) -> Any:
        listed = value.values() if isinstance(value, dict) else []
        if any(isinstance(code, bool) for codes in listed if isinstance(codes, list) for code in codes):
            raise ValueError("YAML reads yes, no, true and false as booleans; put such a code in quotes")
        return value

    @property
    def tables(self) -> list[str]:
        """Tables that it is read from."""
        name = getattr(self, "table", None)
        return [name] if name else []

    @property
    def columns(self) -> list[str]:
        """Columns of its table, or expressions over it, that become features."""
        return []


class TabularModality(_Modality):
    """Numbers and codes, one row a subject; present when any of its values is."""

    kind: Literal["tabular"] = "tabular"
    """Numbers and codes; what a modality is where it names no kind."""
    table: str
    """Table that holds its columns."""
    numeric: list[str] = []
    """Columns with numbers."""
    categorical: list[str] = []
    """Columns with unordered codes or texts."""
    ordinal: dict[str, list[Code]] = {}
    """Columns with ordered codes, each with its codes from lowest to highest."""
    derive: dict[str, str] = {}
    """Name to an SQL expression over all tables with one row a subject; list the name under a kind of column too."""
    missing_codes: dict[str, list[Code]] = {}
    """For a column, the values that mean absent, such as a cholesterol of 0."""
    ranges: dict[str, tuple[float | None, float | None]] = {}
    """For a numeric column, the lowest and highest plausible value; what lies outside is counted and made absent."""
    codes: dict[str, list[Code]] = {}
    """For a categorical column, the codes that may occur; others are counted and made absent."""
    units: dict[str, str] = {}
    """For a numeric column, its unit, for people who read the description."""

    @property
    def columns(self) -> list[str]:
        """All columns: numeric, ordinal, categorical."""
        return [*self.numeric, *self.ordinal, *self.categorical]

    @model_validator(mode="after")
    def _columns_are_named_once(self) -> "TabularModality":
        if not self.columns:
            raise ValueError("has no column; list some under `numeric`, `ordinal` or `categorical`")
        problems = []
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice:
            problems.append(f"names a column twice: {', '.join(twice)}")
        known = {
            "missing_codes": self.columns,
            "derive": self.columns,
            "ranges": self.numeric,
            "units": self.numeric,
            "codes": self.categorical,
        }
        for field, columns in known.items():
            unknown = sorted(set(getattr(self, field)) - set(columns))
            if unknown:
                problems.append(f"`{field}` speaks of columns that are not listed: {', '.join(unknown)}")
        for name, levels in self.ordinal.items():
            if len(levels) < 2 or len(set(map(str, levels))) < len(levels):
                problems.append(f"ordinal {name}: needs at least two codes, each once (value: {levels})")
        problems += _range_problems(self.ranges)
        if problems:
            raise ValueError("\n".join(problems))
        return self


class EventsModality(_Modality):
    """A long table of values over time, several rows a subject; present when any value lies in the window."""

    kind: Literal["events"]
    """Values over time."""
    table: str
    """Long table: one row a value."""
    time: str
    """Column or SQL expression, a number on each subject's own clock, such as hours since admission; it may use the
    subject table, as in `date_diff('minute', patients.admitted, charted)`."""
    variable: str | None = None
    """Column that names what was measured; without it, the variables are columns of their own."""
    value: str | None = None
    """Column with the number; given with `variable`, and only there."""
    variables: list[str] = Field(min_length=1, max_length=10_000)
    """The variables of this modality: values of the column `variable`, or columns."""
    window: tuple[float, float]
    """First and last moment that is read, both included; what is known later than the prediction must lie outside."""
    num_bins: int = Field(default=24, ge=1, le=1000)
    """Number of equal parts of the window, in which values are joined."""
    several: Several = "mean"
    """What becomes of several values in one bin."""
    several_by_variable: dict[str, Several] = {}
    """The same, for single variables, such as a sum for a urine output."""
    missing_codes: dict[str, list[Code]] = {}
    """For a variable, the values that mean absent."""
    ranges: dict[str, tuple[float | None, float | None]] = {}
    """For a variable, the lowest and highest plausible value; what lies outside is counted and made absent."""
    units: dict[str, str] = {}
    """For a variable, its unit, for people who read the description."""

    @model_validator(mode="after")
    def _parts_agree(self) -> "EventsModality":
        problems = []
        if (self.variable is None) != (self.value is None):
            problems.append("give both `variable` and `value`, or neither where the variables are columns")
        if not self.window[0] < self.window[1]:
            problems.append(f"window: must begin before it ends (value: {list(self.window)})")
        twice = [name for name, count in Counter(self.variables).items() if count > 1]
        if twice:
            problems.append(f"names a variable twice: {', '.join(twice)}")
        for field in ("several_by_variable", "missing_codes", "ranges", "units"):
            unknown = sorted(set(getattr(self, field)) - set(self.variables))
            if unknown:
                problems.append(f"`{field}` speaks of variables that are not listed: {', '.join(unknown)}")
        problems += _range_problems(self.ranges)
        if problems:
            raise ValueError("\n".join(problems))
        return self


class EmbeddingModality(_Modality):
    """A wide numeric vector: omics, or an embedding of an image or a note; present when any of its numbers is."""

    kind: Literal["embedding"]
    """A wide vector."""
    table: str | None = None
    """Table of the columns, of the list column or of the row numbers."""
    column_pattern: str | None = None
    """Columns of the table, by a pattern such as `gene_*`."""
    list_column: str | None = None
    """Column whose every value is a list of as many numbers."""
    file: str | None = None
    """A .npz file with the arrays `subject_id` (n) and `values` (n, F), or a .npy file (n, F) with `row_column`."""
    row_column: str | None = None
    """Column of the table with each subject's row in the .npy file, from 0; null where absent."""

    @property
    def columns(self) -> list[str]:
        """The list column, where there is one."""
        return [self.list_column] if self.list_column else []

    @model_validator(mode="after")
    def _one_source(self) -> "EmbeddingModality":
        given = [name for name in ("column_pattern", "list_column", "file") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"give one of `column_pattern`, `list_column` and `file` (given: {', '.join(given) or 'none'})"
            )
        if given != ["file"] and not self.table:
            raise ValueError(f"`{given[0]}` needs a `table`")
        if self.file:
            _check_array_file(self.file, self.table, self.row_column)
        return self


class ImageModality(_Modality):
    """A small two-dimensional image, grey or coloured; present when there is one."""

    kind: Literal["image"]
    """A small image."""
    table: str | None = None
    """Table of the paths or of the row numbers."""
    path_column: str | None = None
    """Column with the path of a PNG below the data folder; null where absent."""
    size: tuple[int, int] | None = None
    """Height and width to which PNG files are resized; needed for them."""
    file: str | None = None
    """A .npz file with the arrays `subject_id` (n) and `values` (n, H, W) or (n, H, W, C), or a .npy file."""
    row_column: str | None = None
    """Column of the table with each subject's row in the .npy file, from 0; null where absent."""

    @property
    def columns(self) -> list[str]:
        """The column of paths, where there is one."""
        return [self.path_column] if self.path_column else []

    @model_validator(mode="after")
    def _one_source(self) -> "ImageModality":
        if bool(self.path_column) == bool(self.file):
            raise ValueError("give either `path_column` (PNG files) or `file` (an array)")
        if self.path_column and not (self.table and self.size):
            raise ValueError("`path_column` needs a `table` and a `size`, such as [32, 32]")
        if self.size and not all(8 <= side <= 256 for side in self.size):
            raise ValueError(f"size: each side must be from 8 to 256 (value: {list(self.size)})")
        if self.file:
            _check_array_file(self.file, self.table, self.row_column)
            if self.size:
                raise ValueError("`size` is for PNG files; an array is taken as it is")
        return self


class TextModality(_Modality):
    """A text, as hashed words; present when it is not empty. An embedding by a language model is better."""

    kind: Literal["text"]
    """A text."""
    table: str
    """Table of the column."""
    column: str
    """Column with the text."""
    num_inputs: int = Field(default=1024, ge=16, le=65536)
    """Number of hash buckets."""
    longest_ngram: int = Field(default=2, ge=1, le=5)
    """Words that are hashed together, at most."""

    @property
    def columns(self) -> list[str]:
        """The column."""
        return [self.column]


def _kind_of(value: Any) -> str:
    kind = value.get("kind", "tabular") if isinstance(value, Mapping) else getattr(value, "kind", "tabular")
    return str(kind)


Modality = Annotated[
    Annotated[TabularModality, Tag("tabular")]
    | Annotated[EventsModality, Tag("events")]
    | Annotated[EmbeddingModality, Tag("embedding")]
    | Annotated[ImageModality, Tag("image")]
    | Annotated[TextModality, Tag("text")],
    Discriminator(_kind_of),
]


def _range_problems(ranges: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    return [
        f"ranges {name}: the lowest must be below the highest, and one of them given (value: {[low, high]})"
        for name, (low, high) in ranges.items()
        if (low is None and high is None) or (low is not None and high is not None and not low < high)
    ]


def below_the_data_folder(path: str) -> bool:
    """Whether a path of a spec stays below the data folder, whatever lies there."""
    parts = path.replace("\\", "/").split("/")
    return path.isprintable() and path.strip() != "" and not path.startswith(("/", "\\", "~")) and ".." not in parts


def _check_array_file(file: str, table: str | None, row_column: str | None) -> None:
    if not below_the_data_folder(file):
        raise ValueError("file: must be a path below the data folder, not empty, absolute or with `..`")
    if not file.endswith((".npy", ".npz")):
        raise ValueError(f"file: must be a .npy or a .npz (value: {file})")
    if file.endswith(".npy") and not (table and row_column):
        raise ValueError("a .npy file has no subject ids: give `table` and `row_column`")
    if file.endswith(".npz") and (table or row_column):
        raise ValueError("a .npz file has its own `subject_id`: drop `table` and `row_column`")
