from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from irtheory.runs.files import InputError
from irvision.commands import doctor, probes
from irvision.commands.doctor import diagnose, doctor_command, verdict
from irvision.commands.probes import GIB, PROBES, Finding


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IRA_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(probes, "CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def gpus(patch: pytest.MonkeyPatch, count: int) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: count > 0)
    patch.setattr(torch.cuda, "device_count", lambda: count)


def test_it_looks_at_everything_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    doctor_command({})
    printed = capsys.readouterr().out
    for what in ("versions", "GPU", "--compile", "cache", "tree kernels", "data sets"):
        assert what in printed
    last = printed.strip().splitlines()[-1]
    assert last.startswith(("will not work: ", "works, with a note on: ", "everything will work"))


def test_json_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    doctor_command({"as_json": True})
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(PROBES)
    assert all(set(finding) == {"what", "state", "found", "advice"} for finding in found)
    assert {finding["state"] for finding in found} <= {"ok", "note", "missing"}
    assert torch.__version__ in found[0]["found"]


def test_a_probe_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_driver() -> Finding:
        raise RuntimeError("CUDA error:\n  unknown\n" + 500 * "x")

    def silent() -> Finding:
        raise NotImplementedError

    monkeypatch.setattr(doctor, "PROBES", (broken_driver, probes.versions, silent))
    first, second, third = diagnose()
    assert (first.what, first.state) == ("broken driver", "note")
    assert first.found.startswith("could not be looked at (RuntimeError: CUDA error: unknown xx")
    assert len(first.found) < 200 and second.state == "ok"
    assert third.found == "could not be looked at (NotImplementedError)"


def test_the_last_line_names_what_is_missing_and_why() -> None:
    fine = Finding("a", "ok", "there")
    assert verdict([fine, fine]) == "everything will work here"
    assert verdict([fine, Finding("b", "note", "old")]) == "works, with a note on: b"
    missing = [Finding("GPU", "missing", "none"), Finding("--compile", "missing", "no g++")]
    assert verdict([fine, *missing]) == "will not work: GPU (none); --compile (no g++)"


def test_gpus_are_named_with_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    card = SimpleNamespace(name="Card", major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (3 * GIB, (4 + index) * GIB))
    found = probes.gpus()
    assert found.state == "ok"
    assert found.found == (
        "Card (3.0 of 4.0 GiB free, capability 9.0); Card (3.0 of 5.0 GiB free, capability 9.0)"
    )


@pytest.mark.parametrize(
    ("build", "found"), [(None, "built for CPUs alone"), ("12.8", "none that torch can use")]
)
def test_a_missing_gpu_is_explained(
    monkeypatch: pytest.MonkeyPatch, build: str | None, found: str
) -> None:
    gpus(monkeypatch, 0)
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(torch.version, "hip", None)
    finding = probes.gpus()
    assert finding.state == ("missing" if build else "note")
    assert found in finding.found and finding.advice


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    finding = probes.compiling()
    assert finding.state == "missing" and "a C++ compiler" in finding.found
    assert finding.advice == "pass --no-compile"


def test_limits_of_a_container_are_heeded(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert probes.processors().state == "ok" and probes.memory().state == "ok"
    (elsewhere / "cgroup/cpu.max").write_text("250000 100000\n")
    (elsewhere / "cgroup/memory.max").write_text(f"{GIB // 2}\n")
    finding = probes.processors()
    assert finding.found.startswith("8 cores, 1 threads")
    assert finding.advice == "this container gets 2.5 of them: set OMP_NUM_THREADS=2"
    assert probes.memory().advice == "this container gets 0.5 GiB"
    for file in ("cpu.max", "memory.max"):
        (elsewhere / "cgroup" / file).write_text("max 100000\n" if file == "cpu.max" else "max\n")
    assert probes.processors().state == "ok" and probes.memory().state == "ok"


def test_the_cache_is_measured_and_not_made(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, usage = elsewhere / "cache", SimpleNamespace(free=99 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    finding = probes.caches()
    assert finding.found == f"{folder}: empty; 99.0 GiB free" and finding.state == "ok"
    assert not folder.exists()
    (folder / "pixels/deep").mkdir(parents=True)
    for name in ("a.bin", "deep/b.bin"):
        with (folder / "pixels" / name).open("wb") as stream:
            stream.truncate(GIB // 4)
    usage.free = GIB
    finding = probes.caches()
    assert finding.found == f"{folder}: pixels 0.50 GiB; 1.0 GiB free" and finding.state == "note"


def test_a_cache_that_cannot_be_written_is_missing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "cache").write_text("a file in its place")
    finding = probes.caches()
    assert finding.state == "missing" and finding.found.endswith("cannot be written")


def test_data_sets_are_looked_for(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, options) -> SimpleNamespace:
        assert options.data_dir == elsewhere / "data"
        if name == "CUB":
            return SimpleNamespace(labels=range(11788))
        raise InputError("not there")

    monkeypatch.setattr(probes, "load_examples", load)
    finding = probes.data_sets()
    assert finding.found == "beetles (drawn), CUB (11788 samples)"
    assert finding.state == "note" and "aYahoo, aPascal, AwA2" in finding.advice


def test_torchvision_is_never_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(probes, "find_spec", lambda name: object())
    monkeypatch.setattr(probes, "import_module", broken)
    finding = probes.torchvision()
    assert finding.state == "ok" and "operator torchvision::nms does not exist" in finding.found
    monkeypatch.setattr(probes, "find_spec", lambda name: None)
    assert probes.torchvision().found == "not installed"
    assert probes.tensorboard().state == "missing"
