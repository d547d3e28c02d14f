"""How many beetles are drawn a second.

    python benchmarks/beetles.py [--size PIXELS] [--processes N] [--images M] [--out FILE]

Each process draws its share; the first pictures of each, drawn before the clock starts, are not
counted. Images a second of processor time tell what an idle machine would do.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

from irtheory.runs.environment import environment
from irtheory.runs.files import write_json
from irvision.data.beetles import VERSION, draw

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 5


def drawn(job: tuple[int, int, int]) -> tuple[float, float, float]:
    """Draw images first to last - 1 of a size: start and end of the clock, processor seconds."""
    first, last, size = job
    for index in range(WARM_UP):
        draw(index, 1, size)
    start, processor = time.time(), time.process_time()
    for index in range(first, last):
        draw(index, 0, size)
    return start, time.time(), time.process_time() - processor


def measure(images: int, size: int, processes: int) -> dict[str, float]:
    """Images a second, by the clock and by the processor time of one core."""
    cuts = [images * k // processes for k in range(processes + 1)]
    jobs = [(cuts[k], cuts[k + 1], size) for k in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        starts, ends, seconds = zip(*pool.map(drawn, jobs, chunksize=1), strict=True)
    return {
        "images_per_second": images / (max(ends) - min(starts)),
        "images_per_processor_second": images / sum(seconds),
    }


def main() -> None:
    """Draw, print the rate and write the JSON."""
    parser = argparse.ArgumentParser(description="Time the drawing of beetles.")
    parser.add_argument("--size", type=int, default=96, help="pixels a side")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/beetles.json")
    options = parser.parse_args()
    rates = measure(options.images, options.size, options.processes)
    print(
        f"{options.images} beetles of {options.size} px on {options.processes} processes: "
        f"{rates['images_per_second']:.0f} images/s, "
        f"{rates['images_per_processor_second']:.0f} images/s of processor time of a core"
    )
    settings = {name: getattr(options, name) for name in ("size", "processes", "images")}
    content = {"version": VERSION, **settings, **rates, "environment": environment(0)}
    write_json(options.out, content)


if __name__ == "__main__":
    main()
