from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import app
from irvision.data.download import published


def ira_data(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_download_unpacks_what_is_there_and_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    data = tmp_path / "data"
    (data / "downloads").mkdir(parents=True)
    (tmp_path / "classes.txt").write_text("1 antelope\n")
    with tarfile.open(data / "downloads/AwA2-data.tgz", "w:gz") as tar:
        tar.add(tmp_path / "classes.txt", "Animals_with_Attributes2/classes.txt")
    archive = published.Archive("http://127.0.0.1:9/AwA2-data.tgz")
    monkeypatch.setitem(published.PUBLISHED, "AwA2", (archive,))
    done = ira_data("download", "awa2", "--data-dir", data)
    assert done.exit_code == 0, done.output
    assert (data / "Animals_with_Attributes2/classes.txt").read_text() == "1 antelope\n"
    assert "no published hash is known" in done.stdout
    assert done.stdout.splitlines()[-1] == f"next: ira data check AwA2 --data-dir {data}"
    assert "there already: " in done.stdout and "fetched" not in done.stdout
    (data / "downloads/AwA2-data.tgz").unlink()
    offline = ira_data("download", "AwA2", "--data-dir", data)
    assert offline.exit_code == 2 and archive.url in offline.stderr
    assert str(data / "downloads/AwA2-data.tgz") in offline.stderr


def test_a_download_that_is_no_archive_is_set_aside(tmp_path: Path, monkeypatch) -> None:
    page = tmp_path / "data/downloads/AwA2-data.zip"
    page.parent.mkdir(parents=True)
    page.write_text("<html>come back later</html>")
    archive = published.Archive(f"http://127.0.0.1:9/{page.name}")
    monkeypatch.setitem(published.PUBLISHED, "AwA2", (archive,))
    refused = ira_data("download", "AwA2", "--data-dir", tmp_path / "data")
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert f"{page}: expected a tar or zip" in refused.stderr
    assert f"{page}.damaged" in refused.stderr
    assert [path.name for path in page.parent.iterdir()] == [f"{page.name}.damaged"]


def test_what_comes_joins_what_is_there(tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "objects"
    (own / "attribute_data").mkdir(parents=True)
    (own / "attribute_data/apascal_train.txt").write_text("a.jpg cat 1 1 2 2\n")
    _archive_of(own / "downloads/set.tgz", "JPEGImages/a.jpg")
    archive = published.Archive("http://127.0.0.1:9/set.tgz", folder="aPascal")
    monkeypatch.setitem(published.PUBLISHED, "aPascal", (archive,))
    done = ira_data("download", "aPascal", "--data-dir", own)
    assert done.exit_code == 0, done.output
    assert (own / "JPEGImages/a.jpg").is_file()


@pytest.mark.parametrize(
    ("own", "checked", "came"),
    [("data/CUB_200_2011", ".", "."), ("data/birds", "CUB_200_2011", "CUB_200_2011")],
)
def test_an_archive_with_a_folder_of_its_own(
    tmp_path: Path, monkeypatch, own: str, checked: str, came: str
) -> None:
    folder = tmp_path / own
    folder.mkdir(parents=True)
    (folder / "images.txt").write_text("1 a/a.jpg\n")
    _archive_of(folder / "downloads/set.tgz", "CUB_200_2011/classes.txt")
    archive = published.Archive("http://127.0.0.1:9/set.tgz", top="CUB_200_2011")
    monkeypatch.setitem(published.PUBLISHED, "CUB", (archive,))
    done = ira_data("download", "CUB", "--data-dir", folder)
    assert done.exit_code == 0, done.output
    assert (folder / came / "classes.txt").is_file()
    assert done.stdout.endswith(f"next: ira data check CUB --data-dir {folder / checked}\n")


def _archive_of(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
