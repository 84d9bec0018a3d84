"""The stories that a synthetic cohort can tell: names and scales. This module imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["tabular", "events", "embedding", "image", "text"]
DEMOGRAPHICS = "demographics"


@dataclass(frozen=True)
class Variant:
    """Names and scales of a story; the truth behind it is the same."""

    title: str
    label: str
    label_name: str
    sites: tuple[str, str, str, str]
    """One rich, two sparse, one held out."""
    modalities: dict[str, Kind]
    age: tuple[float, float]
    """Age in years where the measured age is 0, and years per unit."""
    bands: tuple[int, ...]
    window: float
    """Length of the time of events."""
    time_column: str
    since: str
    """First day on which a subject came."""


VARIANTS = {
    "clinical": Variant(
        title="Synthetic hospitals with a known truth",
        label="outcome",
        label_name="adverse outcome",
        sites=("north", "east", "south", "west"),
        modalities={"labs": "tabular", "vitals": "events", "omics": "embedding", "scan": "image", "note": "text"},
        age=(58, 7),
        bands=(50, 65),
        window=48,
        time_column="hour",
        since="2021-01-01",
    ),
    "credit": Variant(
        title="Synthetic customers of a lender with a known truth",
        label="defaulted",
        label_name="default",
        sites=("branch", "online", "partner", "new_market"),
        modalities={"bureau": "tabular", "transactions": "events", "app": "events"},
        age=(44, 6),
        bands=(35, 50),
        window=90,
        time_column="day",
        since="2022-01-01",
    ),
}
