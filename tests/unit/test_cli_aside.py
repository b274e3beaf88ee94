import time
from pathlib import Path

import pytest
from support.program import children
from support.several import saved
from support.synthetic import run_of

from netbench import loading
from netbench.cli.aside import aside
from netbench.cli.reports import write_reports
from netbench.errors import RunFolderLost
from netbench.store import load


def test_work_is_done_by_another_process(tmp_path: Path) -> None:
    before = children()

    with aside(lambda: (tmp_path / "told").write_text(str(children()))) as done:
        assert done()

    assert (tmp_path / "told").read_text() == "set()"
    assert children() == before


def test_work_that_fails_is_not_done(tmp_path: Path) -> None:
    with aside((tmp_path / "not" / "there").touch) as done:
        assert not done()
        assert not done()


def test_who_does_not_wait_ends_it(tmp_path: Path) -> None:
    before = children()

    with aside(lambda: (time.sleep(60), (tmp_path / "late").touch())):
        assert children() - before

    assert children() == before
    assert not (tmp_path / "late").exists()


def test_two_processes_write_the_reports_that_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(run_of(blocks=2), tmp_path)

    def written() -> dict[str, bytes]:
        write_reports(folder, as_json=False)
        names = ("report.html", "summary.md", "summary.csv", "summary.json")
        found = {name: (folder / name).read_bytes() for name in names}
        for name in names:
            (folder / name).unlink()
        return found

    by_one = written()
    monkeypatch.setattr(loading, "_LARGE", 1)
    assert len(load(folder).parts()) == 2

    assert written() == by_one


def test_what_the_other_process_cannot_write_is_told_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(run_of(blocks=2), tmp_path)
    monkeypatch.setattr(loading, "_LARGE", 1)
    (folder / "summary.csv").mkdir()

    with pytest.raises(RunFolderLost, match=r"summary\.csv"):
        write_reports(folder, as_json=False)

    assert (folder / "report.html").exists()
