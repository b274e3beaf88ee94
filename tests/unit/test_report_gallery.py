"""The page of the runs below a folder: which are on it, in which groups, with which links."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.several import run, saved, with_facts
from support.synthetic import Run

from netbench.cli import run_command_line
from netbench.record import LinkedRun
from netbench.store import runs_below


def dated(number: int, day: int, model: str = "AMD EPYC") -> Run:
    made = with_facts(run(number, blocks=1), host__cpu_model=model)
    return replace(made, info=replace(made.info, created=f"2026-02-{day:02}T10:00:00+00:00"))


def indexed(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, str]:
    code = run_command_line(["index", str(folder)])
    out, err = capsys.readouterr()
    return code, f"{out}{err}"


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page)


def test_runs_are_grouped_by_machine_the_newest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(dated(1, 1), tmp_path)
    saved(dated(2, 3), tmp_path / "weekly")
    newest = saved(dated(3, 5, "Xeon"), tmp_path / "a" / "b")
    (newest / "report.html").write_text("<!doctype html>")
    code, said = indexed(capsys, tmp_path)
    page = (tmp_path / "index.html").read_text()
    xeon, epyc = page.split("<section")[1:]

    assert code == 0
    assert said == f"index of 3 runs: {tmp_path}/index.html\n"
    assert [title.split(",")[0] for title in headings(page)] == ["Xeon", "AMD EPYC"]
    assert "3 runs of netbench on 2 machines" in page
    assert "2 runs from 2026-02-01 to 2026-02-03" in epyc
    assert epyc.index("2026-02-03 10:00") < epyc.index("2026-02-01 10:00")
    assert f'<a href="a/b/{newest.name}/report.html">' in xeon
    assert 'href="#machine-2"' in page


def test_the_answer_the_budgets_and_the_pages_of_a_run_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = dated(1, 1)
    linked = LinkedRun("x", "20260201T110000Z-host-bridge")
    folder = saved(replace(made, info=replace(made.info, confirmed_by=(linked,))), tmp_path)
    run_command_line(["report", str(folder), "--require", "bridge.rtt_p50@same <= 1.5 host"])
    capsys.readouterr()
    (folder / "answer.svg").write_text("<svg/>")
    indexed(capsys, tmp_path)
    page = (tmp_path / "index.html").read_text()
    lead = json.loads((folder / "summary.json").read_text())["lead"]

    assert lead in page
    assert "? 1 budget not decided" in page
    assert f"Missed budgets measured again in {linked.folder}" in page
    for name in ("report.html", "summary.md", "answer.svg", "summary.json"):
        assert f'href="{folder.name}/{name}"' in page
    assert "decision.md" not in page


def test_older_runs_of_a_machine_are_folded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, 13):
        saved(dated(number, number), tmp_path)
    indexed(capsys, tmp_path)
    shown, folded = (tmp_path / "index.html").read_text().split("<details>")

    assert (shown.count("<li>\n<div>"), folded.count("<li>\n<div>")) == (10, 2)
    assert "2 older runs" in folded
    assert "2026-02-01 10:00" in folded


def test_a_published_page_does_not_say_where_it_was_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(dated(1, 1), tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    indexed(capsys, tmp_path)
    page = (tmp_path / "index.html").read_text()

    assert "Cannot be read: broken/run.json is damaged" in page
    assert str(tmp_path) not in page


def test_only_folders_below_are_looked_into(tmp_path: Path) -> None:
    kept = saved(dated(1, 1), tmp_path / "a" / "b")
    saved(dated(2, 2), tmp_path / "a" / "b" / "c")
    saved(dated(3, 3), tmp_path / ".hidden")
    saved(dated(4, 4), kept / "raw")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b" / "c")

    assert [one.path for one in runs_below(tmp_path)] == [kept]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing", "does not exist"),
        ("file", "is not a directory"),
        ("empty", "holds no run folder"),
        ("/", "is the root of the file system"),
    ],
)
def test_a_page_of_no_runs_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, problem: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    code, said = indexed(capsys, tmp_path / name)

    assert code == 2
    assert problem in said
    assert not list(tmp_path.rglob("index.html"))


def test_a_run_folder_gets_none_and_a_page_of_others_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(dated(1, 1), tmp_path)
    (tmp_path / "index.html").write_text("mine")
    of_run, of_parent = indexed(capsys, folder), indexed(capsys, tmp_path)

    assert (of_run[0], of_parent[0]) == (2, 2)
    assert "is itself a run folder" in of_run[1]
    assert "is not netbench's" in of_parent[1]
    assert (tmp_path / "index.html").read_text() == "mine"
