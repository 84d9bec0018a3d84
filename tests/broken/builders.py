"""Broken files that git cannot hold, or would not keep as they are, each made in a copy of the tables.

A case names its builder under `build`; it gets the folder of the tables, in which `base` already lies.
"""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def nul_bytes(folder: Path) -> None:
    file = folder / "labs.csv"
    file.write_bytes(file.read_bytes().replace(b",yes", b",y\0s", 1))


def gzip_by_mistake(folder: Path) -> None:
    file = folder / "labs.csv"
    file.write_bytes(gzip.compress(file.read_bytes()))


def gzip_with_its_name(folder: Path) -> None:
    (folder / "labs.csv.gz").write_bytes(gzip.compress((folder / "labs.csv").read_bytes()))


def excel_as_csv(folder: Path) -> None:
    """An Excel file is a zip file."""
    with zipfile.ZipFile(folder / "labs.csv", "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")


def parquet_as_csv(folder: Path) -> None:
    _labs(folder).to_parquet(folder / "labs.csv", index=False)


def truncated_parquet(folder: Path) -> None:
    _labs(folder).to_parquet(folder / "labs.parquet", index=False)
    whole = (folder / "labs.parquet").read_bytes()
    (folder / "labs.parquet").write_bytes(whole[: len(whole) // 2])


def directory_for_a_file(folder: Path) -> None:
    (folder / "labs.csv").unlink()
    (folder / "labs.csv").mkdir()


def link_out_of_the_folder(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.csv"
    (folder / "labs.csv").rename(elsewhere)
    (folder / "labs.csv").symlink_to(elsewhere)


def link_inside_a_folder(folder: Path) -> None:
    link_out_of_the_folder(folder)
    (folder / "labs").mkdir()
    (folder / "labs.csv").rename(folder / "labs" / "part.csv")


def parts_with_other_columns(folder: Path) -> None:
    labs = _labs(folder)
    (folder / "labs").mkdir()
    labs[:50].to_parquet(folder / "labs" / "1.parquet", index=False)
    labs[50:].drop(columns="crp").to_parquet(folder / "labs" / "2.parquet", index=False)


def delta_with_a_link_outside(folder: Path) -> None:
    """The log of a table of version 0, written by hand, after Delta's protocol."""
    elsewhere = folder.parent / "elsewhere.parquet"
    _labs(folder).to_parquet(elsewhere, index=False)
    names = [{"name": name, "type": "string", "nullable": True, "metadata": {}} for name in _labs(folder)]
    schema = json.dumps({"type": "struct", "fields": names})
    actions = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": "00000000-0000-0000-0000-000000000000",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema,
                "partitionColumns": [],
                "configuration": {},
            }
        },
        {
            "add": {
                "path": "part.parquet",
                "partitionValues": {},
                "size": elsewhere.stat().st_size,
                "modificationTime": 0,
                "dataChange": True,
            }
        },
    ]
    (folder / "labs" / "_delta_log").mkdir(parents=True)
    (folder / "labs" / "part.parquet").symlink_to(elsewhere)
    log = folder / "labs" / "_delta_log" / "00000000000000000000.json"
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def ids_as_numbers(folder: Path) -> None:
    _labs(folder).astype({"patient": int}).to_parquet(folder / "labs.parquet", index=False)


def empty_text_ids(folder: Path) -> None:
    labs = _labs(folder)
    labs.loc[:2, "patient"] = ["", " ", "  "]
    labs.to_parquet(folder / "labs.parquet", index=False)


def free_text_as_categorical(folder: Path) -> None:
    patients = pd.read_csv(folder / "patients.csv", dtype=str)
    more = pd.concat([patients] * 1000, ignore_index=True)
    more["patient"] = [f"{number:06d}" for number in range(len(more))]
    more.astype({"age": int, "died": int}).to_parquet(folder / "patients.parquet", index=False)
    labs = pd.DataFrame({"patient": more["patient"], "hb": 12.0, "comment": "PRIVATE " + more["patient"]})
    labs.to_parquet(folder / "labs.parquet", index=False)
    more[["patient"]].assign(hour=1, name="hr", value=80).to_csv(folder / "vitals.csv", index=False)


def ten_thousand_columns(folder: Path) -> None:
    ids = pd.read_csv(folder / "patients.csv", dtype=str)["patient"]
    values = np.random.default_rng(0).integers(0, 9, (len(ids), 10_000))
    lines = [",".join(["patient", *[f"gene_{number}" for number in range(10_000)]])]
    lines += [f"{subject},{','.join(map(str, row))}" for subject, row in zip(ids, values, strict=True)]
    (folder / "genes.csv").write_text("\n".join(lines) + "\n")


def list_column(folder: Path) -> None:
    labs = _labs(folder)
    labs.assign(hb=[[1.0, 2.0]] * len(labs)).to_parquet(folder / "labs.parquet", index=False)


def lists_of_unequal_length(folder: Path) -> None:
    labs = _labs(folder)
    lists = [[1.0, 2.0]] * (len(labs) - 1) + [[1.0, 2.0, 3.0]]
    labs.assign(hb=lists).to_parquet(folder / "labs.parquet", index=False)


def lists_of_texts(folder: Path) -> None:
    labs = _labs(folder)
    labs.assign(hb=[["PRIVATE", "b"]] * len(labs)).to_parquet(folder / "labs.parquet", index=False)


def pickled_array(folder: Path) -> None:
    """To load it would write a file."""

    class Touch:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return exec, (f"open({str(folder / 'was_here')!r}, 'w')",)

    np.savez(folder / "scans.npz", subject_id=np.array(["a"]), values=np.array([Touch()], dtype=object))


def array_of_other_shape(folder: Path) -> None:
    np.savez(folder / "scans.npz", subject_id=_ids(folder), values=np.arange(100.0))


def array_without_ids(folder: Path) -> None:
    np.savez(folder / "scans.npz", values=np.ones((100, 3)))


def array_with_repeated_ids(folder: Path) -> None:
    ids = _ids(folder)
    ids[:3] = ids[0]
    np.savez(folder / "scans.npz", subject_id=ids, values=np.ones((100, 3)))


def array_with_fewer_ids(folder: Path) -> None:
    np.savez(folder / "scans.npz", subject_id=_ids(folder)[:99], values=np.ones((100, 3)))


def array_with_strange_ids(folder: Path) -> None:
    np.savez(folder / "scans.npz", subject_id=_ids(folder).astype(int), values=np.ones((100, 3)))


def npy_as_npz(folder: Path) -> None:
    np.save(folder / "scans.npy", np.ones((100, 3)))
    (folder / "scans.npy").rename(folder / "scans.npz")


def infinite_array(folder: Path) -> None:
    values = np.ones((100, 3))
    values[4, 1] = 1e300  # more than a float32 can hold
    np.savez(folder / "scans.npz", subject_id=_ids(folder), values=values)


def rows_beyond_the_array(folder: Path) -> None:
    labs = _labs(folder)
    labs.assign(crp=range(len(labs))).to_csv(folder / "labs.csv", index=False)
    np.save(folder / "scans.npy", np.ones((50, 3)))


def small_images(folder: Path) -> None:
    np.savez(folder / "scans.npz", subject_id=_ids(folder), values=np.ones((100, 4, 4)))


def png_that_is_none(folder: Path) -> None:
    _images(folder)
    (folder / "3.png").write_text("PRIVATE")


def png_outside(folder: Path) -> None:
    _images(folder)
    (folder / "3.png").rename(folder.parent / "3.png")
    labs = _labs(folder)
    labs.assign(smoker=labs["smoker"].where(labs["smoker"] != "3.png", "../3.png")).to_csv(
        folder / "labs.csv", index=False
    )


def png_cut_short(folder: Path) -> None:
    _images(folder)
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) - 30])


def png_with_a_broken_chunk(folder: Path) -> None:
    """In the length of its pixels, so that what follows is taken for the name of a chunk."""
    _images(folder)
    whole = bytearray((folder / "3.png").read_bytes())
    whole[35] = 0
    (folder / "3.png").write_bytes(whole)


def _images(folder: Path) -> None:
    labs = _labs(folder)
    labs["smoker"] = [f"{number}.png" for number in range(len(labs))]
    labs.to_csv(folder / "labs.csv", index=False)
    noise = np.random.default_rng(0).integers(0, 256, (len(labs), 20, 20), dtype=np.uint8)
    for name, pixels in zip(labs["smoker"], noise, strict=True):
        Image.fromarray(pixels).save(folder / name)


def _labs(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "labs.csv", dtype={"patient": str})


def _ids(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "patients.csv", dtype=str)["patient"].to_numpy(dtype="<U6")


BUILDERS: dict[str, Callable[[Path], None]] = {
    name: function
    for name, function in dict(globals()).items()
    if getattr(function, "__module__", None) == __name__ and not name.startswith("_")
}
