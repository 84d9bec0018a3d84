"""A cohort described before a model sees it: numbers, figures, a page, and which fusion to start with."""
