from __future__ import annotations

import pytest
import torch

from irtheory.runs.files import InputError
from irvision.runtime.memory import report_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
    ],
)
def test_too_little_memory_is_one_line(error: Exception) -> None:
    with pytest.raises(InputError, match=r"^try less$"), report_out_of_memory("try less"):
        raise error


def test_a_real_allocation_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"^try less$"), report_out_of_memory("try less"):
        torch.empty(2**60)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), report_out_of_memory("try less"):
        raise RuntimeError("shapes do not fit")
