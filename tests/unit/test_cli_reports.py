"""What commands write from run folders, and what they refuse."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import Ended
from support.schemas import validated
from support.synthetic import run_of

from netbench.cli import run_command_line
from netbench.store import RunFolder

RUN = run_of(blocks=1, drivers=("host", "bridge"))


Program = Callable[..., Ended]


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Ended:
        code = run_command_line(argv)
        return Ended(code, *capsys.readouterr(), argv[0])

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = RunFolder.create(tmp_path / "reports", RUN.info.plan.drivers, RUN.info)
    for record in RUN.records:
        made.append(record)
    return made.path


def test_an_export_tells_all_mistakes_at_once(program: Program, folder: Path) -> None:
    done = program("export", str(folder), "--format", "xls", "--table", "rows")

    assert (done.code, done.stdout) == (2, "")
    assert "'xls' is none of csv, parquet, json, openmetrics, bencher, custom" in done.stderr
    assert "'rows' is none of trials, contrasts, cells" in done.stderr


def test_what_is_no_run_is_refused_by_every_command(program: Program, tmp_path: Path) -> None:
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text('{"schema": 99}')
    for name, why in (
        (".", "holds no run.json"),
        ("none", "does not exist"),
        ("newer", "schema 99"),
    ):
        done = program("export", name)

        assert done.code == 2
        assert why in done.stderr


def test_a_run_becomes_files_of_each_kind(program: Program, folder: Path, tmp_path: Path) -> None:
    document = program("export", str(folder), "--format", "json")
    table = program("export", str(folder), "--table", "contrasts", "--output", "out.csv")
    metrics = program("export", str(folder), "--format", "openmetrics")

    assert validated("run", json.loads(document.stdout))["lead"].startswith("bridge against host: ")
    assert table.stdout == ""
    assert (tmp_path / "out.csv").read_text().startswith("run,driver,baseline,")
    assert metrics.stdout.endswith("# EOF\n")


def test_texts_for_people_are_those_of_the_folder(
    program: Program, folder: Path, tmp_path: Path
) -> None:
    program("report", str(folder))
    summary = program("export", str(folder), "--format", "md")
    record = program("export", str(folder), "--format", "adr", "--output", "choice.md")
    refused = program("export", str(folder), "--format", "adr", "--table", "cells")

    assert summary.stdout == (folder / "summary.md").read_text()
    assert (record.code, record.stdout) == (0, "")
    text = (tmp_path / "choice.md").read_text()
    assert "\n# Choose the network driver of a container: host or bridge\n" in text
    assert re.findall(r"\]\((?!https://)", text) == []
    assert "--table: adr has none; only csv, parquet, bencher, custom" in refused.stderr


def test_a_picture_is_written_into_the_run_folder(program: Program, folder: Path) -> None:
    done = program("report", str(folder), "--picture")

    assert done.code == 0, done.stderr
    assert f"picture: {folder / 'answer.svg'} and {folder / 'answer.png'}\n" in done.stderr
    assert (folder / "answer.svg").read_text().startswith("<svg ")
    assert (folder / "answer.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_renderer_there_is_an_svg_and_a_line_on_png(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)  # as if it were not installed

    done = program("report", str(folder), "--picture")

    assert done.code == 0, done.stderr
    assert f"picture: {folder / 'answer.svg'}\n" in done.stderr
    assert "answer.png needs resvg" in done.stderr
    assert "pip install 'netbench[picture]'" in done.stderr
    assert not (folder / "answer.png").exists()


def test_a_run_that_ended_before_its_first_trial_has_a_report(
    program: Program, tmp_path: Path
) -> None:
    made = RunFolder.create(tmp_path / "reports", RUN.info.plan.drivers, RUN.info)
    done = program("report", str(made.path))

    assert done.code == 3, done.stderr
    assert "9 of 9 planned records are missing" in done.stdout
    assert (made.path / "report.html").exists()


def test_everything_else_is_shown_on_demand_by_option_or_variable(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = program("report", str(folder)).stdout
    long = program("report", str(folder), "--verbose").stdout
    monkeypatch.setenv("NETBENCH_VERBOSE", "1")

    assert program("report", str(folder)).stdout == long
    assert "Every comparison" not in short
    assert "Every comparison" in long
    for text in (short, long):
        assert text.splitlines()[0].startswith("Engine docker: ")
        assert text.splitlines()[-1] == f"report: {folder / 'report.html'}"


def test_without_pyarrow_the_error_names_the_extra(
    program: Program, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed

    done = program("export", str(folder), "--format", "parquet", "--output", "out.parquet")

    assert done.code == 2
    assert "needs pyarrow" in done.stderr
    assert "pip install 'netbench[parquet]'" in done.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_a_decision_record_is_written_once(program: Program, folder: Path) -> None:
    first = program("report", str(folder), "--adr")
    record = folder / "decision.md"
    record.write_text("my own words")
    again = program("report", str(folder), "--adr")

    assert first.code == 0, first.stderr
    assert (folder / "decision.svg").read_text().startswith("<svg")
    assert again.code == 2
    assert "is there already" in again.stderr
    assert record.read_text() == "my own words"


def test_the_index_lists_every_run_and_is_renewed(program: Program, folder: Path) -> None:
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / "run.json").write_text("{<b>")
    made = program("runs", "--html", "--json")
    page = folder.parent / "index.html"
    before = page.read_text()
    program("report", str(folder))
    after = page.read_text()

    rows = {Path(row["folder"]).name: row for row in made.json["runs"]}
    assert rows[folder.name]["lead"] is None
    assert rows["damaged"]["problem"]
    assert "No report yet" in before
    assert "Cannot be read" in before
    assert "bridge against host: " in after
    assert f'href="{folder.name}/report.html"' in after
    assert not re.search(r"(src|href)=\"(?:https?:)?//", after)


def test_a_page_of_others_is_left_alone(program: Program, folder: Path) -> None:
    page = folder.parent / "index.html"
    page.write_text("<html>mine</html>")

    refused = program("runs", "--html")
    quiet = program("report", str(folder))

    assert refused.code == 2
    assert "not netbench's" in refused.stderr
    assert quiet.code == 0
    assert page.read_text() == "<html>mine</html>"
