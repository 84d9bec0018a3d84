"""The bundle: weights, options, spec, preprocessing and provenance in one folder, verified whenever it is read."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file, digest_of_text, read_json, whole_folder, write_whole
from cohorts.preprocessing import Preprocessing
from cohorts.spec import CohortSpec, parse_spec
from lightning_modules.calibration import Calibration
from lightning_modules.config import NetworkOptions
from lightning_modules.conformal import Conformal
from lightning_modules.ensemble import Ensemble
from lightning_modules.manifest import CONTENT, MANIFEST, WEIGHTS, verify_bundle

PACKAGES = ("rich2sparse", "torch", "pytorch-lightning", "scikit-learn", "fairlearn", "numpy", "pandas")


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that is needed to use and to judge it.

    Attributes:
        network: In evaluation mode.
        options: What it was built from.
        preprocessing: Fitted on its training subjects.
        spec: Cohort spec that it was trained under.
        provenance: Stage, seeds, options, fingerprints of cohort and split, digest of the pretrained bundle, versions.
        calibration: From the network's logits to those of the scores; of a pretrained network, none.
        conformal: Nonconformity of the tuning subjects, for sets of labels; empty where nobody was calibrated on.
        digest: SHA-256 of the manifest, "" before it is saved.
    """

    network: Ensemble
    options: NetworkOptions
    preprocessing: Preprocessing
    spec: CohortSpec
    provenance: Mapping[str, Any]
    digest: str = ""
    calibration: Calibration = field(default_factory=Calibration)
    conformal: Conformal = field(default_factory=Conformal)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that make a result."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write a bundle, whole or not at all.

    Returns:
        The bundle with its digest.

    Raises:
        InputError: Something is at the place already.
    """
    content = {
        "options": asdict(bundle.options),
        "ensemble": bundle.network.state(),
        "calibration": bundle.calibration.state(),
        "conformal": bundle.conformal.state(),
        "preprocessing": bundle.preprocessing.state(),
        "provenance": dict(bundle.provenance),
        "spec": bundle.spec.model_dump(mode="json"),
    }
    with whole_folder(folder) as beside:
        (beside / WEIGHTS).write_bytes(save_tensors(bundle.network.state_dict()))
        # Not with sorted keys: the order of the modalities is the order of the columns of presence.
        write_whole(beside / CONTENT, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
        manifest = canonical_json({name: digest_of_file(beside / name) for name in (WEIGHTS, CONTENT)})
        write_whole(beside / MANIFEST, manifest)
    return replace(bundle, digest=digest_of_text(manifest))


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        InputError: It is missing, changed, of another kind, or was made by other code than this.
    """
    digest = verify_bundle(folder)
    content = read_json(folder / CONTENT, "the content of a bundle")
    spec = parse_spec(content["spec"], f"bundle {folder}")
    try:
        options = NetworkOptions(**content["options"])
        preprocessing = Preprocessing.from_state(content["preprocessing"])
        network = Ensemble(preprocessing.layouts, options)
        network.load_state(content["ensemble"])
        network.load_state_dict(load_tensors((folder / WEIGHTS).read_bytes()))
        calibration = Calibration.from_state(content["calibration"])
        conformal = Conformal.from_state(content["conformal"])
    except (KeyError, TypeError, RuntimeError) as error:  # nobody changed it, so it is the code that is another
        raise InputError(
            f"bundle {folder}: is whole, but networks were built otherwise by the version of rich2sparse that made it; "
            "use it with that version, or train again with this one"
        ) from error
    return Bundle(network.eval(), options, preprocessing, spec, content["provenance"], digest, calibration, conformal)


def check_same_inputs(bundle: Bundle, spec: CohortSpec) -> None:
    """Refuse a cohort whose modalities or label are not those that the bundle was trained on.

    Raises:
        InputError: With each difference.
    """
    ours, theirs = bundle.spec.inputs, spec.inputs
    problems = []
    for name in [*ours["modalities"], *[m for m in theirs["modalities"] if m not in ours["modalities"]]]:
        a, b = ours["modalities"].get(name), theirs["modalities"].get(name)
        if a is None or b is None:
            having, lacking = ("the bundle", f"the spec {spec.name}") if a else (f"the spec {spec.name}", "the bundle")
            problems.append(f"modality {name}: {having} has it, and {lacking} does not")
        else:
            problems += [
                f"modality {name}: the bundle has {field} {a.get(field)}, the spec {spec.name} has {b.get(field)}"
                for field in sorted({*a, *b})
                if a.get(field) != b.get(field)
            ]
    if ours["label"] != theirs["label"]:
        problems.append(f"label: the bundle has `{ours['label']}`, the spec {spec.name} has `{theirs['label']}`")
    if problems:
        raise InputError(
            [*problems, f"bundle: was made for the spec {bundle.spec.name}; use that one, or train for {spec.name}"]
        )


def fresh_network(preprocessing: Preprocessing, options: NetworkOptions, *, seed: int, prevalence: float) -> Ensemble:
    """Networks with seeded weights, whose prior is the log odds of a prevalence (0 to 1, exclusive).

    Where there is an additive expert, its intercept is the prior, and it says 0 until it is fitted.
    """
    torch.manual_seed(seed)
    network = Ensemble(preprocessing.layouts, options)
    if network.additive is None:
        torch.nn.init.constant_(network.members.prior, torch.logit(torch.tensor(prevalence)).item())
    return network
