"""Tables to a cohort: joined on the subject id by DuckDB, never on row order; all problems at once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from cohorts.checks import problems_of
from cohorts.codes import as_code, as_codes
from cohorts.cohort import ROLES, Cohort
from cohorts.errors import InputError, raise_if
from cohorts.limits import in_words
from cohorts.modalities.reading import nobody, read_modality
from cohorts.spec import CohortSpec, RoleRule, SensitiveFeature, role_expression
from cohorts.synthetic import write_tables
from cohorts.tables import Database


def read_cohort(
    spec: CohortSpec, data: Path | None, *, labelled: bool = True, absent: frozenset[str] = frozenset()
) -> Cohort:
    """Read every subject of a spec.

    Args:
        spec: What to read.
        data: Folder of the tables; None where the spec has a generator, which then makes them.
        labelled: False to score new people: label, roles, site, time, weight and sensitive features are neither needed
            nor read.
        absent: Modalities that nobody here has; their tables and columns are not looked for.

    Returns:
        The cohort, all invariants checked.

    Raises:
        InputError: With every problem found at the first stage that has any.
    """
    if data is None:
        return _read_generated(spec, labelled=labelled, absent=absent)
    if not data.is_dir():
        raise InputError(f"data {data}: is not a folder; give the one that holds the tables of {spec.name}")
    listed = ", ".join(spec.modalities)
    unknown = sorted(absent - set(spec.modalities))
    raise_if([f"absent {name}: is not a modality of {spec.name}, which are {listed}" for name in unknown])
    needed = {t for name, m in spec.modalities.items() if name not in absent for t in m.tables}
    needed |= {next(iter(spec.tables))}
    not_needed = {t for name in absent for t in spec.modalities[name].tables} - needed
    tables = {
        name: table
        for name, table in spec.tables.items()
        if name in needed or (labelled and not (name in spec.long_tables and name in not_needed))
    }
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        try:
            database = Database(connection, spec, data, tables)
        except InputError as error:
            hint = "absent: say with --absent which modalities nobody here has; their tables are then not looked for"
            missing = not labelled and any(": no file " in problem for problem in error.problems)
            raise InputError([*error.problems, *([hint] if missing else [])]) from None
        cohort = _assemble(database, labelled, absent)
    raise_if(problems_of(cohort, labelled=labelled))
    return cohort


def _read_generated(spec: CohortSpec, *, labelled: bool, absent: frozenset[str]) -> Cohort:
    if spec.generator is None:
        raise InputError(f"data: say with --data DIR where the tables of {spec.name} lie")
    with TemporaryDirectory() as folder:
        write_tables(Path(folder))
        return read_cohort(spec, Path(folder), labelled=labelled, absent=absent)


def _assemble(database: Database, labelled: bool, absent: frozenset[str]) -> Cohort:
    spec, size = database.spec, len(database.subject_id)
    keep = database.values("where", spec.where, "BOOLEAN") if spec.where else None
    nothing = np.full(size, "", dtype=object)
    unknown = np.full(size, np.nan)
    site = database.values("site", spec.site, "VARCHAR") if spec.site and labelled else None
    features_to_audit = spec.sensitive_features if labelled else {}
    parts = {
        "role": _roles(database) if labelled else nothing,
        "label": _label(database) if labelled else unknown,
        "site": nothing if site is None else site.fillna("Unknown").to_numpy(dtype=object),
        "time": _time(database) if spec.time and labelled else unknown,
        "weight": _weight(database, keep) if spec.weight and labelled else np.ones(size),
        "row": np.argsort(database.values("row", f"{database.first}.rowid").to_numpy(), kind="stable").argsort(),
    }
    sensitive = {name: _groups(database, name, feature) for name, feature in features_to_audit.items()}
    features = {
        name: nobody(modality, size) if name in absent else read_modality(database, name, modality)
        for name, modality in spec.modalities.items()
    }
    raise_if(database.problems)
    whole = Cohort(
        spec=spec,
        subject_id=database.subject_id,
        features=features,
        sensitive=pd.DataFrame(sensitive, index=range(size)),
        notes=tuple(database.notes),
        **parts,
    )
    return whole if keep is None else whole.take(keep.fillna(False).to_numpy(dtype=bool))


def _roles(database: Database) -> np.ndarray:
    rules = {role: getattr(database.spec.roles, role) for role in ROLES}
    named = {site for rule in rules.values() if isinstance(rule, RoleRule) for site in rule.sites}
    if named:
        known = set(database.values("site", f"CAST(({database.spec.site}) AS VARCHAR)").dropna())
        database.problems += [
            f"roles: there is no site {site}; the sites are {', '.join(sorted(known))}"
            for site in sorted(named - known)
        ]
    sql = {role: role_expression(rule, database.spec) for role, rule in rules.items() if rule is not None}
    member = {
        role: database.values(f"roles.{role}", expression, "BOOLEAN").fillna(False).to_numpy(dtype=bool)
        for role, expression in sql.items()
    }
    if len({len(rows) for rows in member.values()}) != 1:
        return np.array([], dtype=object)
    several = int((np.sum(list(member.values()), axis=0) > 1).sum())
    if several:
        database.problems.append(
            f"roles: {in_words(several)} subjects are in two cohorts, where each may be in one; mend the expressions "
            + ", ".join(f"{role} `{expression}`" for role, expression in sql.items())
        )
    role = np.full(len(next(iter(member.values()))), "", dtype=object)
    for name, rows in member.items():
        role[rows] = name
    return role


def _label(database: Database) -> np.ndarray:
    label = database.values("label", database.spec.label, "BOOLEAN")
    return label.astype("Float64").to_numpy(dtype=float, na_value=np.nan)


def _time(database: Database) -> np.ndarray:
    sql = database.spec.time or ""
    if len(database.values("time", sql)) == 0:  # a problem, which is noted
        return np.full(len(database.subject_id), np.nan)
    # A date in seconds, by SQL: pandas knows only the years 1677 to 2262.
    seconds = f"coalesce(TRY_CAST(({sql}) AS DOUBLE), epoch(TRY_CAST(CAST(({sql}) AS VARCHAR) AS TIMESTAMPTZ)))"
    moments, known = database.values("time", seconds), database.values("time", f"({sql}) IS NOT NULL", "BOOLEAN")
    wrong = int((moments.isna() & known.astype(bool)).sum())
    if wrong:
        database.problems.append(
            f"time `{database.spec.time}`: {in_words(wrong)} values are neither numbers nor dates such as 2024-01-31; "
            "derive a date with strptime"
        )
    return moments.to_numpy(dtype=float)


def _weight(database: Database, keep: pd.Series | None) -> np.ndarray:
    weight = database.values("weight", database.spec.weight or "", "DOUBLE").to_numpy(dtype=float)
    read = np.ones(len(weight), dtype=bool) if keep is None else keep.fillna(False).to_numpy(dtype=bool)
    if len(read) == len(weight):
        wrong = int((~(np.isfinite(weight) & (weight > 0)) & read).sum())
        if wrong:
            database.problems.append(
                f"weight `{database.spec.weight}`: {in_words(wrong)} subjects have none above 0; drop them with `where`"
            )
    return weight


def _groups(database: Database, name: str, feature: SensitiveFeature) -> np.ndarray:
    what = f"sensitive feature {name}"
    if feature.bands:
        values = database.values(what, feature.expression, "DOUBLE").to_numpy(dtype=float, na_value=np.nan)
        band = np.searchsorted(feature.bands, values, side="right").clip(max=len(feature.bands))
        return np.where(np.isnan(values), "Unknown", np.array(feature.groups, dtype=object)[band])
    codes = as_codes(database.values(what, feature.expression))
    names = {as_code(code): group for code, group in feature.names.items()}
    undeclared = int((codes.notna() & ~codes.isin(names)).sum())
    if undeclared:
        database.notes.append(
            f"{what}: {in_words(undeclared)} subjects have a code that `names` does not list, and become Unknown"
        )
    return codes.map(names).fillna("Unknown").to_numpy(dtype=object)
