"""Too little memory, in one line that names the next thing to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from irtheory.runs import InputError

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
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise InputError(line) from error
    except RuntimeError as error:
        if not any(words in str(error) for words in WORDS):
            raise
        raise InputError(line) from error
