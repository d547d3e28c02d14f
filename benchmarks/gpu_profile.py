"""A profile as text: the kernels that take most time, and where the host waits for the device."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from gpu_loops import synchronise
from torch.profiler import ProfilerActivity, profile

ROOT = Path(__file__).resolve().parents[1]
KERNELS = 25
# Calls by which the host waits for the device, or may.
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def profile_of(call: Callable[[], Any], device: torch.device) -> str:
    """The kernels of a call that take most time, and where the host waited, as text."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiled, _waits(on_gpu) as places:
        call()
        synchronise(device)
    events = profiled.key_averages()
    kind = "CUDA" if on_gpu else "CPU"
    time_of = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    rows = [(getattr(e, time_of), e.count, e.key) for e in events if _counts(e, kind)]
    total = sum(row[0] for row in rows)
    lines = [f"{total / 1e3:.1f} ms in {'kernels' if on_gpu else 'operations'}; the longest:"]
    lines.append(f"{'share':>7}{'ms':>10}{'calls':>8}  name")
    for spent, count, name in sorted(rows, reverse=True)[:KERNELS]:
        lines.append(f"{spent / total:7.1%}{spent / 1e3:10.2f}{count:8d}  {name[:110]}")
    for event in events:
        if event.key in WAITS or event.key.startswith("Memcpy"):
            lines.append(f"{event.key}: {event.count} calls")
    lines += [f"the host waits at {place}: {count}" for place, count in places.most_common()]
    return "\n".join(lines) + "\n"


def _counts(event: Any, kind: str) -> bool:
    """Whether it is an operation of that device, and no name that torch gave to a stretch."""
    return event.device_type.name == kind and not event.is_user_annotation


@contextmanager
def _waits(on_gpu: bool) -> Iterator[Counter[str]]:
    """Lines of Python at which torch made the host wait for the device, and how often."""
    places: Counter[str] = Counter()
    if not on_gpu:
        yield places
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode("default")
    for warning in caught:
        if "called a synchronizing" in str(warning.message):
            path = Path(warning.filename)
            name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
            places[f"{name}:{warning.lineno}"] += 1
