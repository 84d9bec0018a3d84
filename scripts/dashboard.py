"""Runs in Weights & Biases: offline unless asked otherwise, and with nothing of the machine or the code sent along."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cohorts.errors import InputError
from scripts.stage import essential


@dataclass(frozen=True)
class DashboardOptions:
    """Where a run can be followed."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """offline keeps it in OUT/wandb, to be looked at with `wandb leet`; online sends it to your W&B server."""
    project: str = "rich2sparse"
    """W&B project."""
    group: str | None = None
    """W&B group, which the stages of one workflow share; the cohort's name by default."""
    folder: Path | None = None
    """Folder in which `wandb/` keeps offline runs; by default the stage's own, or that of the workflow."""


def start_run(options: DashboardOptions, folder: Path, stage: str, group: str, config: dict[str, Any]) -> Any:
    """Start the run of a stage, or take up the one that was started for this folder.

    Returns:
        A wandb run; with the mode `disabled`, one that records nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wandb

    identity = hashlib.sha256(f"{folder.resolve()}:{stage}".encode()).hexdigest()[:8]
    # What waits for an upload stays with the run, not in the user's home.
    os.environ.setdefault("WANDB_DATA_DIR", str((options.folder or folder).resolve() / "wandb" / "data"))
    settings = wandb.Settings(
        disable_git=True,
        disable_code=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_save_requirements=False,
        host="redacted",
        console="off",
        silent=True,
    )
    try:
        return wandb.init(
            project=options.project,
            group=options.group or group,
            job_type=stage,
            name=folder.name,
            id=f"{folder.name}-{identity}",
            dir=str(options.folder or folder),
            mode=options.mode,
            config=essential(config),
            settings=settings,
        )
    except wandb.errors.Error as error:
        raise InputError(
            f"dashboard.mode {options.mode}: W&B did not start ({error}); log in with `wandb login`, or use offline"
        ) from None


def log_decision(run: Any, decision: dict[str, Any], folder: Path, files: list[str]) -> None:
    """Mirror a decision: verdicts and metrics, the audit as a table, the report as HTML, both files as an artifact."""
    import wandb

    run.summary.update({"verdict": decision["verdict"]})
    for row in decision["tables"]["performance"]:
        run.summary.update({f"held_out/{row['metric']}": row["value"]})
    rows = decision["tables"]["groups"]
    if rows:
        # Every cell as text: a suppressed count is one already, and a column may hold one type only.
        columns = list(rows[0])
        cells: list[Any] = [["" if row[column] is None else str(row[column]) for column in columns] for row in rows]
        run.log({"bias_audit": wandb.Table(columns=columns, data=cells)})
    run.log({"report": wandb.Html((folder / "report.html").read_text(encoding="utf-8"), inject=False)})
    artifact = wandb.Artifact(
        f"decision-{decision['digest'][:12]}", type="decision", metadata={"verdict": decision["verdict"]}
    )
    for name in files:
        artifact.add_file(str(folder / name), policy="immutable")  # no second copy in the user's home
    run.log_artifact(artifact)
