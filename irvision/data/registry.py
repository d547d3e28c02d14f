"""The data sets that `ira` knows by name; any other name is a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from irtheory.runs.files import InputError
from irvision.data.datasets.lines import readable
from irvision.data.examples import Attributes, Examples
from irvision.settings.data import DataOptions, OptionError

# Each module has load_examples(options) and load_attributes(options, examples).
DATASETS: dict[str, str] = {
    "beetles": "irvision.data.beetles",
    "aYahoo": "irvision.data.datasets.ayahoo",
    "aPascal": "irvision.data.datasets.apascal",
    "AwA2": "irvision.data.datasets.awa2",
    "CUB": "irvision.data.datasets.cub",
}
FOLDER = "irvision.data.datasets.folder"
# Data sets whose images hold several samples.
OF_OBJECTS = ("aYahoo", "aPascal")


def is_known(dataset: str) -> bool:
    """Whether a name is one of DATASETS, in any letter case."""
    return dataset.casefold() in map(str.casefold, DATASETS)


def load_examples(dataset: str, options: DataOptions) -> Examples:
    """Images, classes and parts of a data set; never its attributes.

    Args:
        dataset: a name of DATASETS (in any letter case), or the path of a folder of class folders.
        options: where the data are, and how to split them.

    Raises:
        InputError: unknown data set, or its files are missing or malformed.
    """
    module, options = resolve(dataset, options)
    with readable():
        examples = module.load_examples(options)
    _check_printable(examples, dataset)
    return examples


def _check_printable(examples: Examples, dataset: str) -> None:
    for name in examples.classes:
        if not name.isprintable():
            raise InputError(f"{dataset}: expected class names that can be printed, found {name!r}")


def load_all(options: DataOptions) -> Examples:
    """All images of a folder of class folders in one part, to be scored.

    Args:
        options: `data_dir` is the folder.

    Raises:
        InputError: no images, or files that cannot be understood.
    """
    with readable():
        examples = import_module(FOLDER).load_all(options)
    _check_printable(examples, str(options.data_dir))
    return examples


def load_attributes(
    dataset: str, options: DataOptions, examples: Examples, removed: Sequence[str] = ()
) -> Attributes | None:
    """The attributes of the same samples, only for evaluation; None if there are none.

    Args:
        dataset: as passed to `load_examples`.
        options: as passed to `load_examples`.
        examples: its result.
        removed: images that a table in a folder of images may list though they are gone.

    Raises:
        InputError: files are missing, malformed, or have changed since.
    """
    module, options = resolve(dataset, options)
    with readable():
        if removed and module.__name__ == FOLDER:
            return module.load_attributes(options, examples, removed)
        return module.load_attributes(options, examples)


def resolve(dataset: str, options: DataOptions) -> tuple[ModuleType, DataOptions]:
    """The module of a data set, and the options to pass to it.

    A folder named like a data set can be given as ./NAME. For the module of folders, `data_dir`
    is the folder itself.

    Raises:
        InputError: neither a name of DATASETS nor a folder, or a unit that the data set lacks.
    """
    if options.unit != "object" and dataset.casefold() not in map(str.casefold, OF_OBJECTS):
        raise InputError(
            f"--unit {options.unit}: expected with {' or '.join(OF_OBJECTS)} alone, as images of "
            f"other sets are not cut into objects; found {dataset}"
        )
    if is_known(dataset):
        _check_named(dataset, options)
    for name, module in DATASETS.items():
        if name.casefold() == dataset.casefold():
            return import_module(module), options
    if not dataset or not (folder := Path(dataset).expanduser()).is_dir():
        raise InputError(
            f"--dataset: expected {', '.join(DATASETS)} or a folder of images, found {dataset!r}"
        )
    return import_module(FOLDER), replace(options, data_dir=folder)


def _check_named(dataset: str, options: DataOptions) -> None:
    """OptionError for options that only folders of images have."""
    for flag, value, usual in (
        ("--layout", options.layout, DataOptions.layout),
        ("--group", options.group, DataOptions.group),
    ):
        if value != usual:
            raise OptionError(
                f"{flag} {value}: expected with a folder of images alone, as {dataset} has "
                "folders and parts of its own"
            )
