"""What the name of a folder says: a part of the data, annotations, or pictures of any kind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

# The parts, and images whose classes nobody gave.
Kind = Literal["train", "validation", "test", "unlabelled"]
KIND_OF: dict[str, Kind] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validate", "validation", "dev", "development", "eval", "evaluation"),
        "validation",
    ),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
    **dict.fromkeys(
        ("pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "submission"),
        "unlabelled",
    ),
}
# What may follow such a word without a break: trainset, testdata.
ENDINGS = ("set", "data", "dataset", "images", "imgs", "split", "folder")
ANNOTATIONS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "annot", "annots", "anno",
    "segmentation", "segmentations", "segm", "seg", "groundtruth", "gt", "truth", "trimap",
    "trimaps", "matte", "mattes", "bbox", "bboxes", "thumb", "thumbs", "thumbnail", "thumbnails",
    "xml", "xmls",
}  # fmt: skip
PICTURES = {
    "image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos",
    "jpg", "jpgs", "jpeg", "jpegs", "jpegimages", "png", "pngs", "raw", "original", "originals",
    "rgb",
}  # fmt: skip
# Words that may stand beside those of annotations: ground_truth, mask_images, binary-masks.
BESIDE = PICTURES | {"ground", "binary", "object", "class", "pixel", "files", "data", "set"}
# Names of pictures that belong to another: 7_mask, benign (1)_mask_1, x-seg; mask_7.
MARKS = "mask|masks|label|labels|segmentation|seg|gt|groundtruth|annotation|trimap|thumb|thumbnail"
MARKED = (
    re.compile(rf"(.+?)[ _.-]+(?:{MARKS})(?:[ _.-]*\d+)?", re.IGNORECASE | re.DOTALL),
    re.compile(rf"(?:{MARKS})[ _.-]+(.+)", re.IGNORECASE | re.DOTALL),
)


def kind_of(name: str) -> Kind | None:
    """What a folder is called after, by its words: Training, seg_train, TestSet, val2017.

    None where no word or words of several kinds are found.
    """
    found: set[Kind] = {KIND_OF[bare] for word in _words(name) if (bare := _bare(word)) in KIND_OF}
    if "unlabelled" in found:
        return "unlabelled"
    return next(iter(found)) if len(found) == 1 else None


def holds_annotations(name: str) -> bool:
    """Whether all words of a name speak of annotations or of small copies: masks, ground_truth."""
    runs = re.findall(r"[^\W\d_]+", composed(name))
    words = {piece.casefold() for run in runs for piece in _pieces(run)}
    return bool(words & ANNOTATIONS) and words <= ANNOTATIONS | BESIDE


def holds_pictures(name: str) -> bool:
    """Whether a name says no more than that pictures are there: images, IMG, jpg."""
    return name.casefold() in PICTURES


def pictures_marked(stem: str) -> list[str]:
    """Names that the picture of a mask or the like may have; empty for other names."""
    return [match[1] for pattern in MARKED if (match := pattern.fullmatch(stem))]


def composed(name: str) -> str:
    """The name with each accented letter as one character, as systems store it in two ways."""
    return unicodedata.normalize("NFC", name)


def alike(name: str) -> str:
    """The same text for names that differ in letter case, spaces, hyphens and underscores alone."""
    return re.sub(r"[\s_-]+", " ", composed(name).casefold()).strip()


def _words(name: str) -> Iterator[str]:
    """Runs of letters, and the pieces of those that change from small to capital letters."""
    for run in re.findall(r"[^\W\d_]+", composed(name)):
        yield run
        yield from _pieces(run)


def _pieces(run: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+", run) if run.isascii() else [run]


def _bare(word: str) -> str:
    small = word.casefold()
    for ending in ENDINGS:
        if small.endswith(ending) and small.removesuffix(ending) in KIND_OF:
            return small.removesuffix(ending)
    return small
