"""Make cohorts with a known truth, as files that every other script reads."""

import sys
from pathlib import Path

from cohorts.errors import raise_if
from cohorts.files import whole_folder
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign, design_problems
from scripts.command_line import config_text, run, say


def synthesize(
    out: Path,
    design: SyntheticDesign = SyntheticDesign(),
    absence: AbsenceDesign = AbsenceDesign(),
    sizes: SizeDesign = SizeDesign(),
) -> None:
    """Make cohorts with a known truth: tables and arrays, a spec, and the best score that any model could give.

    Every other script reads them with `--cohort OUT/cohort.yaml --data OUT`. OUT/truth.csv holds each subject's Bayes
    score for what it has, against which the regret of a model is measured.

    Args:
        out: Folder to make.
        design: Who the subjects are, and what is known of them.
        absence: Who of the sparse and held-out subjects lacks what.
        sizes: How much one modality holds.

    Example:
        python scripts/synthesize.py --out data/credit --design.variant credit --absence.mechanism mnar
    """
    options = dict(locals())
    raise_if(design_problems(design, absence, sizes))
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from cohorts.missingness import count_patterns, pattern_names
    from cohorts.synthetic.population import bayes_scores
    from cohorts.synthetic.tables import write_cohort

    with whole_folder(out) as folder:
        truth = write_cohort(folder, design, absence, sizes)
        (folder / "config.yaml").write_text(config_text({name: options[name] for name in options if name != "out"}))
    people = truth.population
    patterns, counts = count_patterns(people.presence[people.drawn])
    common = pattern_names(patterns[:3], people.modalities)
    say(f"cohort       {out}/cohort.yaml: {len(people.label)} subjects, {np.mean(people.label):.1%} positive")
    say(f"absence      {absence.mechanism}; {len(counts)} patterns, most often {', '.join(common)}")
    both = 0 < np.mean(people.label) < 1
    best = f"; its AUROC is {roc_auc_score(people.label, bayes_scores(truth)):.3f}" if both else ""
    say(f"truth        {out}/truth.csv{best}")
    say(f"next         python scripts/workflow.py --cohort {out}/cohort.yaml --data {out} --out RUN")


def main() -> None:
    """Command line."""
    sys.exit(run(synthesize))


if __name__ == "__main__":
    main()
