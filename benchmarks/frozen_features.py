"""Features of aPascal's objects under a frozen ImageNet MobileNetV2, for benchmarks to share.

    python benchmarks/frozen_features.py [--data DIR] [--out FILE] [--margin 0] [--force]

Crops every annotated box, resizes it to 224 × 224 (bilinear, antialiased) and runs the network on
it and on its mirror image. A logistic probe on the result is printed as a check: the accuracy of a
linear map on all 1280 numbers. Nothing is computed again for the same images, annotations, weights
and settings.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from irvision.models.backbones.mobilenet import (
    INPUT_SIZE,
    MobileNetV2,
    fill_mobilenet_v2,
    scale_pixels,
)

ROOT = Path(__file__).resolve().parents[1]
N_CLASSES, N_ATTRIBUTES = 20, 64
PARTS = ("train", "test")
WEIGHTS = ("mobilenet_v2_imagenet.npz", "layers.json")
VERSION = 1  # to be raised when the same inputs and settings would give other features
BATCH = 32
PROBE_C = 0.01


@dataclass(frozen=True)
class Objects:
    """Annotated objects: m image names, boxes [m, 4], labels [m] and attributes [m, 64].

    Boxes are (left, upper, right, lower), 0-based, right and lower exclusive, in pixels.
    """

    images: tuple[str, ...]
    boxes: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray


def read_names(file: Path, n: int) -> list[str]:
    """The first n lines of a file of names; ValueError if there are fewer."""
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()[:n]]
    if len(names) < n:
        raise ValueError(f"{file}: found {len(names)} names, expected at least {n}")
    return names


def read_objects(file: Path, classes: list[str]) -> Objects:
    """Parse lines `image class xmin ymin xmax ymax a1 … a64`, boxes 1-based and inclusive.

    Raises:
        ValueError: a line with another number of fields, an unknown class, a number that is not
            whole, an empty box or an attribute that is not 0 or 1.
    """
    images, labels, numbers = [], [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split()
        whole = all(field.isdecimal() for field in fields[2:])
        if len(fields) != 6 + N_ATTRIBUTES or fields[1] not in classes or not whole:
            raise ValueError(
                f"{file}:{number}: expected an image, one of {len(classes)} classes, a box and "
                f"{N_ATTRIBUTES} attributes, found {line[:60]!r}"
            )
        images.append(fields[0])
        labels.append(classes.index(fields[1]))
        numbers.append([int(field) for field in fields[2:]])
    table = np.array(numbers, dtype=np.int64).reshape(-1, 4 + N_ATTRIBUTES)
    boxes, attributes = table[:, :4] - [1, 1, 0, 0], table[:, 4:]
    if (boxes[:, 2:] <= boxes[:, :2]).any() or not np.isin(attributes, (0, 1)).all():
        raise ValueError(f"{file}: expected boxes that are not empty and attributes 0 or 1")
    return Objects(tuple(images), boxes, np.array(labels), attributes.astype(np.uint8))


def with_margin(box: np.ndarray, margin: float, size: tuple[int, int]) -> tuple[int, ...]:
    """The box grown by `margin` of its own width and height on each side, within the image."""
    left, upper, right, lower = box.tolist()
    dx, dy = round(margin * (right - left)), round(margin * (lower - upper))
    width, height = size
    return max(left - dx, 0), max(upper - dy, 0), min(right + dx, width), min(lower + dy, height)


@lru_cache(maxsize=1)
def open_rgb(file: Path) -> Image.Image:
    """The image in RGB; objects of one image follow each other, so that it is decoded once."""
    with Image.open(file) as image:
        return image.convert("RGB")


def crops(objects: Objects, folder: Path, margin: float) -> Iterator[np.ndarray]:
    """The objects' crops, one by one, uint8 [224, 224, 3].

    Raises:
        ValueError: a box that lies outside its image.
    """
    for name, box in zip(objects.images, objects.boxes, strict=True):
        image = open_rgb(folder / name)
        left, upper, right, lower = with_margin(box, margin, image.size)
        if left >= right or upper >= lower:
            raise ValueError(f"{folder / name}: box {box.tolist()} outside an image {image.size}")
        crop = image.crop((left, upper, right, lower))
        yield np.asarray(crop.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR))


def in_batches(arrays: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
    """Stack arrays into tensors of BATCH rows, fewer in the last."""
    batch: list[np.ndarray] = []
    for array in arrays:
        batch.append(array)
        if len(batch) == BATCH:
            yield torch.from_numpy(np.stack(batch))
            batch = []
    if batch:
        yield torch.from_numpy(np.stack(batch))


@torch.inference_mode()
def features(network: MobileNetV2, images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features of the images and of their mirror images, float32 [m, 1280] each."""
    plain, mirrored = [], []
    for pixels in in_batches(images):
        x = scale_pixels(pixels).contiguous(memory_format=torch.channels_last)
        plain.append(network(x).numpy())
        mirrored.append(network(x.flip(-1)).numpy())
    return np.concatenate(plain), np.concatenate(mirrored)


def fingerprint(data: Path, margin: float, parts: dict[str, Objects]) -> str:
    """SHA-256 of everything the features depend on."""
    attribute_data = data / "apascal-384/attribute_data"
    files = [data / "mobilenet_v2" / name for name in WEIGHTS]
    files += [attribute_data / f"apascal_{part}.txt" for part in PARTS]
    files += [attribute_data / f"{what}_names.txt" for what in ("class", "attribute")]
    used = {name for objects in parts.values() for name in objects.images}
    files += [data / "apascal-384/JPEGImages" / name for name in sorted(used)]
    digest = hashlib.sha256(json.dumps([VERSION, INPUT_SIZE, margin]).encode())
    for file in files:
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_table(out: Path, key: str) -> dict[str, np.ndarray] | None:
    """The table at `out` if it was made from the same inputs and settings, else None."""
    try:
        with out.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if str(archive["fingerprint"]) == key:
                return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None
    return None


def write_table(out: Path, table: dict[str, np.ndarray]) -> None:
    """Write an npz in one step: a reader sees the old file or the whole new one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, suffix=".part", delete=False) as file:
        try:
            np.savez(file, **table)  # pyright: ignore[reportArgumentType]
            file.flush()
            os.chmod(file.name, 0o644)
            os.replace(file.name, out)
        except BaseException:
            os.unlink(file.name)
            raise


def make_table(
    data: Path, margin: float, parts: dict[str, Objects], console: Console
) -> dict[str, np.ndarray]:
    """Features, mirrored features, labels and attributes of both parts."""
    network = MobileNetV2()
    fill_mobilenet_v2(network, data / "mobilenet_v2" / WEIGHTS[0])
    table = {}
    for part, objects in parts.items():
        images = track(
            crops(objects, data / "apascal-384/JPEGImages", margin),
            description=f"aPascal {part}",
            total=len(objects.images),
            console=console,
        )
        table[f"{part}_features"], table[f"{part}_features_flipped"] = features(network, images)
        table[f"{part}_labels"] = objects.labels
        table[f"{part}_attributes"] = objects.attributes
    return table


def probe(table: dict[str, np.ndarray]) -> float:
    """Test accuracy of a logistic regression (C = 0.01) on standardised training features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PROBE_C, max_iter=500))
    model.fit(table["train_features"], table["train_labels"])
    return float(model.score(table["test_features"], table["test_labels"]))


def load_or_make(args: argparse.Namespace, console: Console) -> dict[str, np.ndarray]:
    """The table at --out, computed and written there first where it is not up to date."""
    names = args.data / "apascal-384/attribute_data"
    classes = read_names(names / "class_names.txt", N_CLASSES)
    parts = {part: read_objects(names / f"apascal_{part}.txt", classes) for part in PARTS}
    key = fingerprint(args.data, args.margin, parts)
    table = None if args.force else read_table(args.out, key)
    if table is not None:
        console.print(f"{args.out}: up to date", highlight=False)
        return table
    table = make_table(args.data, args.margin, parts, console)
    table["class_names"] = np.array(classes)
    table["attribute_names"] = np.array(read_names(names / "attribute_names.txt", N_ATTRIBUTES))
    table["fingerprint"] = np.array(key)
    write_table(args.out, table)
    console.print(f"{args.out}: written", highlight=False)
    return table


def main() -> None:
    """Make the table, or find it made, and print what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/features/apascal.npz")
    parser.add_argument("--margin", type=float, default=0.0, help="share of the box, each side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--force", action="store_true", help="compute even if up to date")
    args = parser.parse_args()
    if not 0 <= args.margin <= 1:
        parser.error(f"--margin: found {args.margin}, expected a number from 0 to 1")
    torch.set_num_threads(args.threads)
    console = Console()
    table = load_or_make(args, console)
    for part in PARTS:
        labels = table[f"{part}_labels"]
        share = np.bincount(labels).max() / len(labels)
        console.print(f"{part}: {len(labels)} objects, largest class {share:.3f}")
    console.print(f"logistic probe (C = {PROBE_C}): test accuracy {probe(table):.3f}")


if __name__ == "__main__":
    main()
