"""`trend` and `compare --history` as they are called, on folders of synthetic runs."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.documented import commands
from support.history import history, kept
from support.schemas import validated
from support.several import saved

from netbench.cli import run_command_line
from netbench.record import FactValue
from netbench.store import RECORDS, RUN

NEWER: dict[str, FactValue] = {"kernel__release": "6.13.0"}
RUNS = history([1.0] * 7 + [1.25] * 5 + [1.25] * 3, [{}] * 12 + [NEWER] * 3)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "9999")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(RUNS, tmp_path_factory.mktemp("history"))


def called(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any, str]:
    code = run_command_line(argv)
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_the_document_tells_steps_and_breaks_by_the_numbers_of_runs(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document, err = called(capsys, "trend", str(made), "--json")

    validated("trend", document)
    assert isinstance(document, dict)
    assert (code, document["exit"], err) == (0, 0, "")
    assert [run["number"] for run in document["runs"]] == list(range(1, 16))
    primary = [one for one in document["series"] if one["primary"]]
    assert len(primary) == 3
    for one in primary:
        assert [(x["before"], x["run"]) for x in one["steps"]] == [(7, 8)]
        assert one["breaks"] == [{"run": 13, "facts": ["kernel.release"]}]
        assert one["scatter"]["freedom"] == 12
    assert "3 steps found" in document["answer"]
    assert document["page"] == str(made / "trend.html")


def test_the_page_and_the_terminal_say_the_same(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    code = run_command_line(["trend", str(made), "--output", str(page)])
    out, text = capsys.readouterr().out, page.read_text()

    assert code == 0
    answer = out.splitlines()[0]
    assert "slower since run 8 (2026-01-08 10:15)" in answer
    assert f">{answer}</h2>" in text
    assert "Break before run 13 (2026-01-13 10:15): kernel.release differs" in text
    assert "break before run 13: kernel.release" in out
    assert out.splitlines()[-1] == f"report: {page}"
    assert text.startswith("<!doctype html>")


def test_a_folder_that_cannot_be_read_is_told_and_left_out(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    here = shutil.copytree(made, tmp_path / "here")
    first, second, third, *_ = sorted((here / "month-0").iterdir())
    (first / RUN).write_text("{}")
    (second / RUN).write_text("not json")
    shutil.copytree(third, here / "copied" / third.name)
    (here / "other").mkdir()
    code, document, err = called(capsys, "trend", str(here), "--json")

    validated("trend", document)
    assert (code, document["exit"]) == (3, 3)
    assert len(document["runs"]) == 13
    skipped = {Path(one["folder"]).name: one for one in document["skipped"]}
    assert skipped[first.name]["damaged"] is True
    assert skipped[second.name]["damaged"] is True
    assert "damaged" in skipped[second.name]["reason"]
    assert skipped[third.name]["reason"].startswith("it is the same run as")
    assert err.count(" is left out: ") == 3
    assert f"{first} is left out" in err
    assert str(first) in (here / "trend.html").read_text()


def test_a_run_that_lacks_records_counts_and_is_told(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    here = shutil.copytree(made, tmp_path / "here")
    folder = min((here / "month-0").iterdir())
    lines = (folder / RECORDS).read_bytes().splitlines(keepends=True)
    (folder / RECORDS).write_bytes(b"".join(lines[:-2]))
    code, document, _ = called(capsys, "trend", str(here), "--json")

    assert code == 3
    assert document["skipped"] == []
    assert "2 of" in document["runs"][0]["missing"]
    assert len(document["runs"]) == 15


@pytest.mark.parametrize("given", [[], ["--accept", "kernel.*"]])
def test_few_runs_say_that_they_are(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, given: list[str]
) -> None:
    folders = [str(one) for one in sorted((made / "month-0").iterdir())[:3]]
    page = str(tmp_path / "page.html")
    code, document, _ = called(capsys, "trend", *folders, "--json", "--output", page, *given)

    assert code == 0
    assert document["answer"].startswith("3 runs, 3 series: too few to find a change")
    assert all(one["scatter"] is None for one in document["series"])


def test_all_mistakes_are_told_at_once_and_nothing_is_written(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    named = [str(tmp_path / name) for name in ("empty", "file", "missing")]
    before = sorted(tmp_path.rglob("*"))
    argv = ("trend", str(made), *named, "--output", str(tmp_path / "no" / "page"), "--json")
    code, document, _ = called(capsys, *argv)

    assert code == 2
    problems = document["error"]["problems"]
    assert [problem.split(": ")[0] for problem in problems] == [*["DIRECTORIES"] * 3, "--output"]
    assert "holds no run folder" in problems[0]
    assert "is not a directory" in problems[1]
    assert "does not exist" in problems[2]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_fact_and_a_directory_without_a_sound_run_are_refused(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / RUN).write_text("{}")
    unknown = called(capsys, "trend", str(made), "--accept", "kernel.relase", "--json")
    unsound = called(capsys, "trend", str(tmp_path), "--json")

    assert (unknown[0], unsound[0]) == (2, 2)
    assert "kernel.release" in unknown[1]["error"]["message"]
    assert "names no schema version" in unsound[1]["error"]["message"]
    assert not (tmp_path / "trend.html").exists()


def test_runs_too_deep_and_behind_links_are_not_looked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    deep = tmp_path / "deep" / "1" / "2" / "3" / "4"
    folder = saved(RUNS[0], deep)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "latest").symlink_to(folder)
    page = str(tmp_path / "page.html")
    codes = [
        run_command_line(["trend", str(tmp_path / name), "--output", page])
        for name in ("deep", "linked", "deep/1")
    ]
    capsys.readouterr()

    assert codes == [2, 2, 0]


def test_compare_adds_the_scatter_of_a_history_and_says_so(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folders = sorted((made / "month-0").iterdir())
    pair, page = [str(folders[0]), str(folders[9])], str(tmp_path / "page.html")
    argv = ("compare", *pair, "--history", str(made), "--output", page)
    code, document, _ = called(capsys, *argv, "--json")
    run_command_line(argv)
    told = capsys.readouterr().out

    validated("compare", document)
    assert code == 0
    assert document["history"] == {"directories": [str(made)], "runs": 13}
    known = [one["history"] for one in document["contrasts"] if one["primary"]]
    assert {(one["runs"], one["freedom"]) for one in known} == {(10, 8), (10, 9)}
    line = next(line for line in told.splitlines() if line.startswith("History: 13 runs. "))
    assert "by 10 runs, 8 to 9 degrees of freedom" in line
    assert "History: 13 runs." in Path(page).read_text()


@pytest.mark.parametrize("command", commands("history"))
def test_what_the_pages_show_of_a_history_is_taken(
    command: str,
    made: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folders = sorted((made / "month-0").iterdir())
    for name, folder in (("before", folders[0]), ("after", folders[9])):
        shutil.copytree(folder, tmp_path / name / folder.name)
    (tmp_path / "nightly").symlink_to(made)
    monkeypatch.chdir(tmp_path)
    plain = re.sub(
        r"\$\(echo (\w+/\*)\)", lambda match: str(next(tmp_path.glob(match[1]))), command
    )
    code = run_command_line(shlex.split(plain)[1:])

    said = "History: 13 runs. " if " compare " in command else "15 runs, 3 series: "
    assert code == 0
    assert said in capsys.readouterr().out


def test_a_history_that_is_too_short_is_refused(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folders = sorted((made / "month-0").iterdir())
    for day, folder in enumerate(folders[2:6]):
        shutil.copytree(folder, tmp_path / f"{day}")
    page = tmp_path / "page.html"
    pair = [str(folders[0]), str(folders[1]), "--output", str(page), "--json"]
    short = called(capsys, "compare", *pair, "--history", str(tmp_path))
    own = called(capsys, "compare", *pair, "--history", str(folders[0]))
    missing = called(capsys, "compare", *pair, "--history", str(tmp_path / "none"))

    assert (short[0], own[0], missing[0]) == (2, 2, 2)
    assert "--history: 4 runs beside those compared" in short[1]["error"]["message"]
    assert "no comparison has 6" in short[1]["error"]["message"]
    assert "there is no other run" in own[1]["error"]["message"]
    assert "--history:" in missing[1]["error"]["message"]
    assert not page.exists()


def test_a_document_without_a_level_is_not_valid(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, document, _ = called(capsys, "trend", str(made), "--json")
    schema = json.loads(
        (Path(__file__).parents[2] / "netbench/schemas/trend.schema.json").read_text()
    )
    del document["series"][0]["points"][0]["level"]

    assert not Draft202012Validator(schema).is_valid(document)
