"""Too little memory, in one line that names the next thing to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from irtheory.runs.files import InputError

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
