"""Is a torch device there."""

from __future__ import annotations

import torch


def check_device(name: str) -> None:
    """Raise ValueError if torch cannot use the device of that name, with torch's reason."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        why = str(error).split("\n", 1)[0]
        raise ValueError(
            f"device: expected one of torch's that is here, found {name!r} ({why})"
        ) from None
