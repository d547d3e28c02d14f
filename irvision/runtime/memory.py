"""Out-of-memory errors as one line that says what to try next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from irtheory.runs.files import InputError

# Messages of torch's out-of-memory errors that are plain RuntimeErrors: from the CPU allocator,
# CUDA and its libraries, and cuDNN if no algorithm fits into the free memory.
WORDS = (
    "can't allocate memory",
    "out of memory",
    "ALLOC_FAILED",
    "unable to find an engine to execute",
)


@contextmanager
def report_out_of_memory(line: str) -> Iterator[None]:
    """Turn an out-of-memory error, of the CPU or a GPU, into an InputError with the text `line`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(line) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in str(error) for words in WORDS)
