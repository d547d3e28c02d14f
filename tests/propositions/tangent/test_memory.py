"""Memory of kernels against their plans, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# What is freed goes back to the system at once, so that the peak is that of memory in use.
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
MEASURE = """
import re, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from irtheory.propositions.tangent import empirical_kernel, mlp, plan_kernel

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

torch.set_num_threads(1)
samples = int(sys.argv[3])
net, x = mlp(12, [256, 256], 4), np.random.default_rng(0).normal(size=(samples, 12))
plan = plan_kernel(net, x, max_memory=float(sys.argv[1]), method=sys.argv[2])
small = replace(plan, rows=4, columns=4, block=min(plan.block, 4))
empirical_kernel(net, x[:4], plan=small)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = peak()
empirical_kernel(net, x, plan=plan)
print(plan.memory / 2**20, peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")
@pytest.mark.parametrize(
    ("budget", "method", "samples"),
    [("4.0", "jacobians", "64"), ("0.1", "jacobians", "64"), ("4.0", "layers", "600")],
)
def test_memory_stays_within_the_plan(budget: str, method: str, samples: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, budget, method, samples]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=os.environ | AT_ONCE
    )
    planned, grown = map(float, done.stdout.split())
    # MiB; the process itself breathes a little.
    assert grown <= planned + 16 and planned <= 2 * grown
    assert planned <= 1024 * float(budget)
