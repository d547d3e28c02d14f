"""The data sets that `ira` knows by name; anything else is a folder of images."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from irvision.data.examples import Attributes, DataOptions, Examples

# Each module has load_examples(options) and load_attributes(options, examples).
DATASETS: dict[str, str] = {
    "beetles": "irvision.data.beetles",
    "aYahoo": "irvision.data.ayahoo",
    "aPascal": "irvision.data.apascal",
    "AwA2": "irvision.data.awa2",
    "CUB": "irvision.data.cub",
}
FOLDER = "irvision.data.folder"


def load_examples(dataset: str, options: DataOptions) -> Examples:
    """Images, classes and parts of a data set; never its attributes.

    Args:
        dataset: a name of DATASETS (in any case), or the path of a folder of class folders.
        options: which samples.

    Raises:
        InputError: no such data set, or what is there is not as it should be.
    """
    raise NotImplementedError


def load_attributes(dataset: str, options: DataOptions, examples: Examples) -> Attributes | None:
    """The attributes of the same samples, for evaluation alone; None where there are none."""
    raise NotImplementedError


def _module(dataset: str) -> ModuleType:
    return import_module(DATASETS.get(dataset, FOLDER))
