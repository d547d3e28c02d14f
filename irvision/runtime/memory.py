"""Too little memory, in one line that names the next thing to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from irtheory.runs.files import InputError
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings

# What torch says in errors that have no type of their own: the host's allocator, CUDA, its
# libraries, and cuDNN where no algorithm fits into what memory is left.
WORDS = (
    "can't allocate memory",
    "out of memory",
    "ALLOC_FAILED",
    "unable to find an engine to execute",
)


@contextmanager
def memory_in_one_line(line: str) -> Iterator[None]:
    """Raise too little memory, of the host or of a GPU, as an InputError that says `line`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise InputError(line) from error


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that there is too little memory."""
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in str(error) for words in WORDS)


def training_advice(settings: TrainSettings, runtime: Runtime) -> str:
    """What to try where training needs more memory than there is."""
    return (
        f"out of memory on {runtime.device} with --batch-size {settings.batch_size} at --crop "
        f"{settings.crop}: try --accumulate {2 * settings.accumulate} (now {settings.accumulate}; "
        "also with --resume), a smaller --crop or another --backbone"
    )
