"""The kernel by neural-tangents, for `benchmarks/ntk.py`; runs where that package is installed.

    PYTHON benchmarks/ntk_peer.py structured|contraction NETWORK.npz OUT.npz

neural-tangents 0.6.5 imports, and has structured derivatives, only beside an older JAX, so it has
an environment of its own:

    pip install neural-tangents==0.6.5 jax==0.4.25 jaxlib==0.4.25 tf2jax==0.3.6
    pip install "numpy<2" "scipy<1.13"
"""

import re
import sys
import time
from pathlib import Path

import jax
import neural_tangents as nt
import numpy as np
from jax import numpy as jnp

jax.config.update("jax_enable_x64", True)

WAYS = {
    "structured": nt.NtkImplementation.STRUCTURED_DERIVATIVES,
    "contraction": nt.NtkImplementation.JACOBIAN_CONTRACTION,
}


def peak() -> float:
    """The largest size of this process since `fresh_peak`, MiB (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def fresh_peak() -> float:
    """Forget the peak so far; the size now, MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def main(way: str, given: str, out: str) -> None:
    """Measure one implementation on the weights that were handed over."""
    with np.load(given, allow_pickle=False) as network:
        scales, x = network["scales"], network["x"]
        layers = sorted({int(name.split(".")[0]) for name in network if "." in name})
        # As stax.Dense has them, [inputs, outputs]: its structured derivatives know x @ W.
        params = [
            (jnp.asarray(network[f"{i}.weight"].T), jnp.asarray(network[f"{i}.bias"]))
            for i in layers
        ]

    def f(params, x):
        for number, ((weight, bias), (ws, bs)) in enumerate(zip(params, scales, strict=True)):
            x = jax.nn.relu(x) if number else x
            x = ws * (x @ weight) + bs * bias
        return x

    kernel_fn = jax.jit(
        nt.empirical_ntk_fn(f, trace_axes=(), vmap_axes=0, implementation=WAYS[way]),
        static_argnums=(1,),
    )

    def compute(x):
        return np.asarray(kernel_fn(x, None, params))

    compute(x[:8])
    before = fresh_peak()
    compute(x)  # compiles for this shape
    grown = peak() - before
    seconds = []
    for _ in range(5 if way == "structured" else 1):
        start = time.perf_counter()
        kernel = compute(x)
        seconds.append(time.perf_counter() - start)
    m, _, k, _ = kernel.shape
    kernel = kernel.transpose(0, 2, 1, 3).reshape(m * k, m * k)
    np.savez(out, kernel=kernel, seconds=np.median(seconds), memory=grown, planned=np.nan)


if __name__ == "__main__":
    main(*sys.argv[1:])
