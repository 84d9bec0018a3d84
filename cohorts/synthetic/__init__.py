"""Cohorts with a known truth: the best score that any model could give to each subject.

The latent model. A subject's state is z ~ N(mean of the site, I), with K parts. It drives every measurement, each of
them linear in z with Gaussian noise, whatever it then looks like:

- demographics: an age linear in z, and a sex that has nothing to do with z; both are always known.
- tabular: numeric columns x = W z + offset(assay) + s(quality) noise, some shown through exp, some values absent at
  random; `assay` (categorical) and `quality` (ordinal) have nothing to do with z, but say how to read the others.
- events: a value at time t of a window of length T is y = (w + (t/T) g) z + drift (t/T) + noise. Times are uniform,
  their number is Poisson, and single variables are absent, all at random.
- embedding and image: x = W z + noise, where the columns of an image's W are smooth patterns; a single number says
  little, all of them together as much as another modality.
- text: words such as `sleep12`, the 12th step of a finely quantised w z + noise.

The label is Bernoulli(sigmoid(b z + c [male] + a)). Given any measurements z is Gaussian in closed form: each adds its
precision and information, so the Bayes score is one Gauss-Hermite sum (`posterior`). Rich subjects have everything. For
the others a modality is absent completely at random (mcar), given sex and age (mar), by a table of patterns (pattern),
or given u = d z as well (mnar), where the pattern itself speaks of the label and the sum has two dimensions.
"""

from pathlib import Path


def write_tables(folder: Path, *, num_subjects: int = 6000, seed: int = 7) -> None:
    """Write the tables of the catalog entry `synthetic`.

    subjects.csv, labs.csv, ecg.csv, imaging.parquet and wearable.parquet, each in a row order of its own and only with
    those who have the modality; truth.csv holds each subject's Bayes score and is named by no spec.

    Args:
        folder: Existing folder.
        num_subjects: Half of them rich, 15 % sparse, 35 % held-out: much is known where much was measured.
        seed: Seed of truth, subjects and absence.
    """
    from cohorts.synthetic.catalog_entry import write_entry  # so that the designs are imported without anything heavy

    write_entry(folder, num_subjects=num_subjects, seed=seed)
