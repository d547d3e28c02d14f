"""Make every figure of the documentation again, from the commands that its pages print.

`make docs` runs this. Each run goes to build/figures/NAME; the figures come to docs/figures.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from irtheory.runs.figures import save
from irtheory.runs.files import read_columns
from irtheory.studies.simulate.figures import comparison_figure

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "figures"
TARGET = ROOT / "docs" / "figures"

SMALL = "--samples 40 --attributes 8 --classes 6 --seed 7 --max-steps 600"
RUNS = {
    "convex": "--setting convex",
    "logistic": "--setting logistic",
    "agreement": "--setting agreement",
    "seeds": "--setting convex --seeds 20",
    "step-1.9": "--setting convex --step-size 1.9",
    "step-2.3": "--setting convex --step-size 2.3",
    "step-4.2": "--setting convex --step-size 4.2",
    "tree-exact": f"--setting convex {SMALL}",
    "tree-greedy": f"--setting convex {SMALL} --tree greedy",
    "jacobi": "--setting convex --order jacobi",
    "on-saddle": "--setting agreement --start saddle",
    "beside-saddle": "--setting agreement --start saddle --offset 1e-8",
    "ntk": "--setting ntk",
    "ntk-cnn": "--setting ntk --network cnn --jump",
    "widths": "--setting ntk --widths 64,128,256,512,1024 --seeds 5",
    "equilibrium": "--setting ntk --widths 64,128,256 --seeds 5 --max-steps 8192",
}
# Runs of `ira recover`.
STUDIES = {
    "recover": "--seeds 10 --regimes every-path,reused,distinct",
    "recover-phase": "--methods quantised,paper,route --regimes reused --seeds 3 "
    "--sweep samples=500,1000,4000 --sweep noise=0.1,0.5,1",
}
# Runs of `ira train`; each is scored and drawn.
TRAININGS = {
    "beetles": "--dataset beetles",
    "beetles-paper": "--dataset beetles --method paper",
}
# Pages that the documentation shows, made from the first of these: name, command that writes FILE.
PAGES = {
    "beetles-report": "report {run} --out {file} --overwrite",
    "beetle-explained": "explain {run} docs/beetle.png --out {file} --overwrite",
}
# What a picture of a page shows, in pixels.
WINDOW = (1280, 1000)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Of the contact sheet of beetles: the part that shows each attribute, in pixels, and its width.
SHEET, WIDTH = (0, 1290, 1148, 2160), 789
# file in docs/figures: (run, figure of that run)
COPIES = {
    "convex-values": ("convex", "values"),
    "convex-gaps": ("convex", "gaps"),
    "logistic-gaps": ("logistic", "gaps"),
    "seeds-bands": ("seeds", "bands"),
    "agreement-gaps": ("agreement", "gaps"),
    "agreement-escape": ("agreement", "escape"),
    "ntk-gaps": ("ntk", "gaps"),
    "ntk-cnn-gaps": ("ntk-cnn", "gaps"),
    "widths": ("widths", "widths"),
    "equilibrium": ("equilibrium", "equilibrium"),
    "recovery-methods": ("recover", "recovery"),
    "recovery-observability": ("recover", "observability"),
    "recovery-dynamics": ("recover", "dynamics"),
    "recovery-phase": ("recover-phase", "phase"),
    "beetles-training": ("beetles", "training"),
    "beetles-attributes": ("beetles", "attributes"),
    "beetles-tree": ("beetles", "tree"),
    "beetles-methods": ("beetles", "attributes-against-beetles-paper"),
}
# file: (column, its unit, title, {label: run})
COMPARISONS = {
    "breaks-step-size": (
        "value",
        r"$(Q - \min Q)\,/\,Q_1$",
        "Step size: the promise asks for μβ < 1",
        {"μβ = 0.9": "convex", "1.9": "step-1.9", "2.3": "step-2.3", "4.2": "step-4.2"},
    ),
    "breaks-greedy-tree": (
        "gap_omega",
        r"$\mathrm{gap}_\omega\,/\,Q_1$",
        "ω-step: global minimiser or greedy tree",
        {"exact": "tree-exact", "greedy": "tree-greedy"},
    ),
    "breaks-jacobi": (
        "gap_omega",
        r"$\mathrm{gap}_\omega\,/\,Q_1$",
        "Order: tree of the new θ or of the old one",
        {"gauss-seidel": "convex", "jacobi": "jacobi"},
    ),
    "breaks-saddle": (
        "value",
        r"$(Q - \min Q)\,/\,Q_1$",
        "Start on a strict saddle, or beside it",
        {"on the saddle": "on-saddle", "1e-8 beside it": "beside-saddle", "random": "agreement"},
    ),
}


def call(arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run one command of `ira`, which ends with one of these exit codes."""
    print(f"ira {arguments}", flush=True)
    command = [sys.executable, str(ROOT / "cli.py"), *shlex.split(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode not in codes:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed with exit code {done.returncode}")


def folder(name: str) -> str:
    """Of a run, for a command line."""
    return shlex.quote(str(BUILD / name))


def run(what: str, name: str, arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run one command that writes a run folder."""
    call(f"{what} {arguments} --out {folder(name)} --overwrite", codes)


def contact_sheet() -> None:
    """The lower part of the sheet of beetles, smaller and in few colours."""
    sheet = BUILD / "beetles.png"
    call(f"data show beetles --out {shlex.quote(str(sheet))}")
    with Image.open(sheet) as image:
        part = image.convert("RGB").crop(SHEET)
    height = round(WIDTH * part.height / part.width)
    small = part.resize((WIDTH, height), Image.Resampling.LANCZOS)
    # This way of choosing colours keeps those of small things, such as eyes.
    few = small.quantize(256, Image.Quantize.MAXCOVERAGE)
    few.save(TARGET / "beetles.png", optimize=True)


def train_and_draw() -> None:
    """Every run of TRAININGS with its figures, and both side by side."""
    for name, arguments in TRAININGS.items():
        run("train", name, arguments)
        call(f"evaluate {folder(name)}")
        call(f"plot {folder(name)}")
    call(f"plot {' '.join(map(folder, TRAININGS))}")


def pages() -> None:
    """The pages of PAGES, and a picture of each where there is a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    for name, command in PAGES.items():
        page, picture = BUILD / f"{name}.html", BUILD / f"{name}.png"
        call(command.format(run=folder("beetles"), file=shlex.quote(str(page))))
        shutil.copyfile(page, TARGET / page.name)
        if browser is None:
            print(f"no browser: {picture.name} stays as it is")
            continue
        size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
        # What a page loads while it is seen needs some time of its own.
        wait = "--virtual-time-budget=4000"
        arguments = ["--headless", "--no-sandbox", "--hide-scrollbars", size, wait]
        shot = [browser, *arguments, f"--screenshot={picture}", page.as_uri()]
        subprocess.run(shot, check=True, capture_output=True)
        with Image.open(picture) as image:
            # With few colours, photographs would show steps.
            image.convert("RGB").save(TARGET / picture.name, optimize=True)


def main() -> None:
    """Run everything, then copy and draw the figures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, arguments in RUNS.items():
        # A broken promise (exit 1) is what some of these runs are for.
        run("simulate", name, arguments, (0, 1))
    for name, arguments in STUDIES.items():
        run("recover", name, arguments)
    contact_sheet()
    train_and_draw()
    pages()
    for figure, (name, source) in COPIES.items():
        shutil.copyfile(BUILD / name / f"{source}.svg", TARGET / f"{figure}.svg")
    for figure, (column, unit, title, runs) in COMPARISONS.items():
        columns = [(k, read_columns(BUILD / v / "trajectory.csv")) for k, v in runs.items()]
        drawn = save(comparison_figure(columns, column, unit, title), BUILD / figure)
        shutil.copyfile(drawn[0], TARGET / f"{figure}.svg")
    count = len(COPIES) + len(COMPARISONS) + 1 + len(PAGES)
    print(f"wrote {count} figures and pages to {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
