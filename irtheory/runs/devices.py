"""Check that a torch device is available."""

from __future__ import annotations


def check_device(name: str) -> None:
    """Raise ValueError if torch cannot use the device of that name, with torch's reason."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        why = str(error).split("\n", 1)[0]
        raise ValueError(
            f"device: expected one of torch's that is here, found {name!r} ({why})"
        ) from None
