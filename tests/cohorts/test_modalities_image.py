"""Images: arrays and PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.modalities.image import FittedImages, Images, fit_images
from tests.cohorts.ward import IDS, SIZE, patients, read

HAVING = np.array([n for n in range(SIZE) if n % 3])
PIXELS = np.random.default_rng(3).integers(0, 256, (SIZE, 10, 12), dtype=np.uint8)


def read_images(folder: Path, **modality: Any) -> Cohort:
    return read(folder, {"scan": {"kind": "image", **modality}})


def assert_holds_the_pixels(people: Cohort, expected: np.ndarray) -> None:
    """Expected: (n, C, H, W) of who has one."""
    images = people.features["scan"]
    np.testing.assert_array_equal(np.flatnonzero(people.presence[:, 1]), HAVING)
    np.testing.assert_allclose(images.pixels[HAVING], expected, atol=1e-6)
    assert images.pixels.dtype == np.float32
    assert (images.pixels[~images.present] == 0).all()


def write_png(folder: Path, pixels: np.ndarray, size: tuple[int, int] | None = None) -> None:
    paths = pd.Series(np.nan, range(SIZE), dtype=object)
    (folder / "scans").mkdir()
    for number in HAVING:
        image = Image.fromarray(pixels[number])
        (image.resize(size, Image.Resampling.NEAREST) if size else image).save(folder / "scans" / f"{number}.png")
        paths[number] = f"scans/{number}.png"
    patients().assign(path=paths).to_csv(folder / "patients.csv", index=False)


def test_grey_images_of_an_npz_reach_their_subjects(tmp_path: Path) -> None:
    order = np.random.default_rng(4).permutation(HAVING)
    np.savez(tmp_path / "scans.npz", subject_id=IDS[order], values=PIXELS[order])
    assert_holds_the_pixels(read_images(tmp_path, file="scans.npz"), PIXELS[HAVING][:, None])


def test_colours_come_last_in_a_file_and_first_in_memory(tmp_path: Path) -> None:
    coloured = np.stack([PIXELS, PIXELS // 2, PIXELS // 3], axis=-1)
    np.savez(tmp_path / "scans.npz", subject_id=IDS[HAVING], values=coloured[HAVING])
    assert_holds_the_pixels(read_images(tmp_path, file="scans.npz"), np.moveaxis(coloured[HAVING], -1, 1))


def test_images_of_an_npy_are_found_by_the_rows_of_a_table(tmp_path: Path) -> None:
    np.save(tmp_path / "scans.npy", PIXELS[HAVING][::-1])
    rows = pd.DataFrame({"patient": IDS[HAVING], "line": np.arange(len(HAVING))[::-1]})
    patients().merge(rows, how="left").to_csv(tmp_path / "patients.csv", index=False)
    people = read_images(tmp_path, file="scans.npy", table="patients", row_column="line")
    assert_holds_the_pixels(people, PIXELS[HAVING][:, None])


def test_png_files_are_read_as_shares_of_white(tmp_path: Path) -> None:
    write_png(tmp_path, PIXELS)
    people = read_images(tmp_path, table="patients", path_column="path", size=[10, 12])
    assert_holds_the_pixels(people, PIXELS[HAVING][:, None] / 255)


def test_png_files_of_16_bits_keep_their_depth(tmp_path: Path) -> None:
    deep = PIXELS.astype(np.uint16) * 200 + 7
    write_png(tmp_path, deep)
    people = read_images(tmp_path, table="patients", path_column="path", size=[10, 12])
    assert_holds_the_pixels(people, deep[HAVING][:, None] / 65535)


def test_png_files_are_resized_to_height_and_width(tmp_path: Path) -> None:
    flat = np.broadcast_to(
        PIXELS[:, :1, :1], PIXELS.shape
    ).copy()  # one grey an image, so that its size does not matter
    write_png(tmp_path, flat, size=(40, 30))
    people = read_images(tmp_path, table="patients", path_column="path", size=[8, 9])
    assert people.features["scan"].pixels.shape == (SIZE, 1, 8, 9)
    assert_holds_the_pixels(people, np.broadcast_to(flat[HAVING, :1, :1][:, None] / 255, (len(HAVING), 1, 8, 9)))


@pytest.mark.parametrize("path", ["scans/none.png", "../1.png", "/etc/passwd", "scans", "patients.csv"])
def test_a_path_that_is_no_png_below_the_data_folder_is_counted_and_not_shown(path: str, tmp_path: Path) -> None:
    write_png(tmp_path, PIXELS)
    table = pd.read_csv(tmp_path / "patients.csv", dtype={"patient": str})
    table.loc[1, "path"] = path
    table.to_csv(tmp_path / "patients.csv", index=False)
    with pytest.raises(InputError, match="scan: fewer than 11 of 40 images are missing, outside of the data") as caught:
        read_images(tmp_path, table="patients", path_column="path", size=[10, 12])
    assert path not in str(caught.value)


def test_a_link_to_a_png_elsewhere_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_png(data, PIXELS)
    (data / "scans" / "1.png").rename(tmp_path / "1.png")
    (data / "scans" / "1.png").symlink_to(tmp_path / "1.png")
    with pytest.raises(InputError, match="scan: fewer than 11 of 40 images are missing, outside of the data folder"):
        read_images(data, table="patients", path_column="path", size=[10, 12])


def test_a_png_of_endless_size_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path, PIXELS)
    monkeypatch.setattr("cohorts.modalities.vectors.MOST_PIXELS", 100)
    with pytest.raises(InputError, match="scan: 40 of 40 images are missing"):
        read_images(tmp_path, table="patients", path_column="path", size=[10, 12])


def test_pixels_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    pixels = PIXELS.astype(float)
    pixels[5, 3, 3] = np.nan
    np.savez(tmp_path / "scans.npz", subject_id=IDS, values=pixels)
    with pytest.raises(InputError, match=r"modality scan: some pixels are not finite; mend scans.npz"):
        read_images(tmp_path, file="scans.npz")


def as_images(pixels: np.ndarray) -> Images:
    return Images(pixels.astype(np.float32)[:, None], np.ones(len(pixels), dtype=bool))


def test_inputs_are_standard_scores_over_all_pixels_and_0_where_absent() -> None:
    images = as_images(PIXELS)
    fitted = fit_images(images, None)  # type: ignore[arg-type]
    expected = (PIXELS - PIXELS.mean()) / PIXELS.std()
    np.testing.assert_allclose(fitted.transform(images), expected.reshape(SIZE, -1), atol=1e-4)
    without = Images(images.pixels, np.arange(SIZE) > 0)
    assert (fitted.transform(without)[0] == 0).all()
    assert fitted.layout == {"num_channels": 1, "height": 10, "width": 12}


def test_images_of_one_grey_and_extreme_ones_stay_finite() -> None:
    grey = np.full((4, 10, 12), 0.1)
    fitted = fit_images(as_images(grey), None)  # type: ignore[arg-type]
    assert fitted.scale == 1
    extreme = fitted.transform(as_images(np.full((2, 10, 12), 3e38)))
    assert (extreme == 10).all()


def test_images_of_another_shape_than_those_of_training_are_refused() -> None:
    fitted = FittedImages.from_state(fit_images(as_images(PIXELS), None).state())  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"are \(1, 12, 10\) \(channels, height, width\), where the model was fitted on"
    ):
        fitted.transform(as_images(np.moveaxis(PIXELS, 1, 2)))


def test_a_summary_is_brightness_and_contrast() -> None:
    images = Images(PIXELS.astype(np.float32)[:, None], np.arange(SIZE) != 2)
    summary = images.summary()
    assert summary.loc[4, "brightness"] == pytest.approx(PIXELS[4].mean(), rel=1e-5)
    assert summary.loc[4, "contrast"] == pytest.approx(PIXELS[4].std(), rel=1e-5)
    assert summary.loc[2].isna().all()
