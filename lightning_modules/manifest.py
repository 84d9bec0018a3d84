"""A bundle's files and their digests; checked without torch."""

from pathlib import Path

from cohorts.errors import InputError
from cohorts.files import digest_of_file, digest_of_text, read_json

WEIGHTS, CONTENT, MANIFEST = "weights.safetensors", "bundle.json", "manifest.json"


def find_bundle(folder: Path) -> Path:
    """A bundle's own folder, from that or from the folder of the stage that made it."""
    return folder / "bundle" if (folder / "bundle").is_dir() else folder


def verify_bundle(folder: Path) -> str:
    """Compare every file with the manifest.

    Returns:
        The bundle's digest: SHA-256 of the manifest.

    Raises:
        InputError: The bundle or a file of it is missing, or was changed; each is named.
    """
    if not folder.is_dir():
        raise InputError(f"bundle {folder}: no such folder; give one that pretrain or finetune made")
    manifest = read_json(folder / MANIFEST, "the manifest of a bundle")
    problems = []
    for name in (WEIGHTS, CONTENT):
        if not (folder / name).is_file():
            problems.append(f"bundle {folder}: {name} is missing; take the bundle from where it was made")
        elif not isinstance(manifest, dict) or digest_of_file(folder / name) != manifest.get(name):
            problems.append(f"bundle {folder}: {name} is not what its manifest says, so one was changed; make it again")
    if problems:
        raise InputError(problems)
    return digest_of_text((folder / MANIFEST).read_text(encoding="utf-8"))
