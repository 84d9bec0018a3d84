"""Templates of pages; `style.css` is shared by all of them."""

from pathlib import Path

STYLES = Path(__file__).parent
