"""Data in, checked and described: tables of an organisation become cohorts of subjects with known modalities."""
