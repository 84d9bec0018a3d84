"""Write what a decision says in the forms that others ask for: CHAI model card, HTI-1 and TRIPOD+AI."""

import sys
from pathlib import Path

from cohorts.files import write_whole
from scripts.command_line import run, say


def export(decision: Path, out: Path) -> None:
    """Write the model card and the crosswalks of a decision; what it does not know is "not available".

    Writes model_card.xml (CHAI applied model card, schema v0.2), hti1.csv (45 CFR 170.315(b)(11)(iv)(B)) and
    tripod_ai.csv (Collins et al., 2024). Each is a draft for its owner to fill in.

    Args:
        decision: A decision.json that validate wrote.
        out: Folder to write into; made where it is not there.

    Example:
        python scripts/export.py --decision runs/judged/decision.json --out runs/exported
    """
    from validation.crosswalk import as_csv, crosswalks
    from validation.decision import read_decision
    from validation.model_card import model_card

    content = read_decision(decision)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "model_card.xml", model_card(content))
    for walk in crosswalks(content):
        write_whole(out / f"{walk['name']}.csv", as_csv(walk))
        say(f"export: {walk['title']}: {walk['answered']} of {len(walk['rows'])} answered")
    say(f"export: model card and crosswalks in {out}; fill in what is not available")


def main() -> None:
    """Command line."""
    sys.exit(run(export))


if __name__ == "__main__":
    main()
