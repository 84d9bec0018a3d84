"""Compare the four fusions, and simple models, under the modalities that a deployment has."""

import sys
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from cohorts.errors import raise_if
from lightning_modules.config import (
    MaskingOptions,
    NetworkOptions,
    TrainingOptions,
    TransferOptions,
    check_accelerator,
    check_options,
)
from scripts.command_line import run, say
from scripts.dashboard import DashboardOptions
from scripts.stage import open_stage

MOST_SAID = 5
WIDEST = 118  # characters of a line at the terminal


def compare_fusions(
    cohort: str,
    out: Path,
    data: Path | None = None,
    held_out_site: str | None = None,
    availability: dict[str, float] | None = None,
    network: NetworkOptions = NetworkOptions(),
    masking: MaskingOptions = MaskingOptions(),
    training: TrainingOptions = TrainingOptions(),
    transfer: TransferOptions = TransferOptions(),
    dashboard: DashboardOptions = DashboardOptions(mode="disabled"),
) -> None:
    """Train the four fusions and simple models once each, and compare them under every subset of modalities.

    Each fusion is pretrained and fine-tuned as workflow does it. One is recommended for the deployment by the log loss
    of the tuning people; the held-out people are shown beside and choose nothing. A run that was stopped goes on when
    the same command is given again. Exit code: 0 when the page was made, 2 for bad input.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: Folder to make: page, JSON, scores, and a folder for each model.
        data: Folder that holds the tables of the spec; not needed for synthetic.
        held_out_site: Site to hold out instead of the spec's held-out cohort.
        availability: Modality to the share of people who will have it at deployment, 0 to 1; where none is stated, as
            in the sparse cohort.
        network: What the networks are, but for their fusion.
        masking: Which modalities a step of pretraining hides.
        training: How long and how fast to train, in each stage.
        transfer: What fine-tuning keeps of the pretrained network and of the rich cohort.
        dashboard: Where the runs can be followed.

    Example:
        python scripts/compare_fusions.py --cohort heart_disease --data DIR --out runs/compared
        --availability '{"exercise_ecg": 0.5}'
    """
    options = dict(locals())
    check_options(network, masking, training, transfer)
    raise_if(_contradictions(network))
    from cohorts.files import read_json
    from scripts.training_stage import digests, read_and_split

    check_accelerator(training.accelerator)
    people, split = read_and_split(cohort, data, held_out_site)
    masking.check(people)
    transfer.check(people)
    from scripts.comparing import DATA, PAGE, judge, train_networks
    from scripts.comparison_setting import make_setting
    from validation.comparison import SCHEMA

    setting = make_setting(people, split, availability or {})
    stage = open_stage(out, PAGE, options, digests(people, split, schema=SCHEMA))
    if stage.done:
        say(f"compare_fusions: already done, in {out}")
    else:
        common: dict[str, Any] = {"cohort": cohort, "data": data, "held_out_site": held_out_site}
        common |= {"training": training, "dashboard": replace(dashboard, group=dashboard.group or out.name)}
        train_networks(stage, network, masking, transfer, **common)
        judge(stage, setting, training, availability or {})
    for line in summary(read_json(out / DATA, "a comparison")):
        say(line if line.startswith(" ") else "\n".join(wrap(line, WIDEST, subsequent_indent=" " * 14)))
    say(f"page          {out / PAGE}")


def summary(found: dict[str, Any]) -> list[str]:
    """What somebody at the terminal should know: the choice, and a table."""
    from validation.comparison import UNMASKED
    from validation.comparison_page import figure, plain, ranked, sentence

    name = found["recommendation"]["fusion"]
    lines = [f"recommended   {name} fusion. {sentence(found)}"]
    lines.append(f"{'':<14}{'log loss, tuning':<24}{'log loss, held out':<24}AUROC, held out")
    for model in (row["model"] for row in found["models"]):
        rows = {row["part"]: row for row in found["deployed"] if row["model"] == model}
        cells = [("tuning", "log_loss"), ("held_out", "log_loss"), ("held_out", "auroc")]
        shown = [figure(rows[part][metric]) if part in rows else "–" for part, metric in cells]
        lines.append(f"  {model.replace('_', ' '):<18}" + "".join(f"{cell:<24}" for cell in shown).rstrip())
    if found["strongest"]:
        lost = {row["model"]: figure(row["auroc"], found["digits"]) for row in found["strongest"]["rows"]}
        modality = found["strongest"]["modality"]
        lines.append(
            f"without       {modality}, AUROC lost: early {lost['early']}, {UNMASKED.replace('_', ' ')} "
            f"{lost[UNMASKED]}, attention {lost['attention']}"
        )
    gains = [f"{row['modality']} {plain(row['value'])}" for row in ranked(found["explanation"])[:MOST_SAID]]
    lines.append(f"mattered      {', '.join(gains)} (gain in log loss, Shapley values)")
    return lines


def _contradictions(network: NetworkOptions) -> list[str]:
    if network.fusion == NetworkOptions().fusion:
        return []
    return [f"network.fusion: all four are compared, so give no fusion (value: {network.fusion})"]


def main() -> None:
    """Command line."""
    sys.exit(run(compare_fusions))


if __name__ == "__main__":
    main()
