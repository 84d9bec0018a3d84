"""Figures as inline SVG, the same bytes for the same numbers; their ink follows the page, light or dark."""

import io

import matplotlib
from matplotlib.figure import Figure

INK, FAINT = "#1b1f24", "#59636e"
COHORTS = {"rich": "#2f6da8", "sparse": "#c2641a", "held_out": "#7d6bb0"}
MARKERS = {"rich": "o", "sparse": "D", "held_out": "s"}
HATCHES = {"rich": "", "sparse": "////", "held_out": "...."}
ONE = "#2f6da8"  # of figures that show one thing
# Colour of the figure to a variable of templates/style.css, which has another value on a dark page.
VARIABLES = {
    "#000000": "--ink",
    INK: "--ink",
    FAINT: "--faint",
    COHORTS["rich"]: "--rich",
    COHORTS["sparse"]: "--sparse",
    COHORTS["held_out"]: "--held-out",
}


def svg(figure: Figure) -> str:
    """A figure as an SVG element, with texts as texts and no date."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    with matplotlib.rc_context({"svg.hashsalt": "rich2sparse", "svg.fonttype": "none"}):
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in VARIABLES.items():
        text = text.replace(f": {colour}", f": var({variable}, {colour})")
    return text
