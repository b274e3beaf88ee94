"""Folders with other things in place of their files, and numbers that cannot be."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.damages import (
    EDITS,
    Damage,
    device,
    directory,
    edit,
    fifo,
    forbid,
    huge_line,
    listening_socket,
    symlink,
)
from support.program import Ended
from support.program import Program as Caller
from support.synthetic import run_of

from netbench.cli import run_command_line
from netbench.errors import RunFolderError
from netbench.record import Failure, Measurement, Record, Sample
from netbench.record.checks import ENTRIES, TEXT, RecordCheck, impossible, run_problem
from netbench.store import RECORDS, RUN, SUMMARY, RunFolder, list_runs, load
from netbench.system.files import NotRegular, open_regular

MADE = run_of(blocks=2, drivers=("host", "bridge"))
COSTLY = [n for n, (field, _) in enumerate(EDITS[:19]) if b"reason" not in field]
Program = Callable[..., Ended]
OTHERS: tuple[tuple[Damage, str], ...] = (
    (fifo, "a FIFO"),
    (device, "a device"),
    (listening_socket, "a socket"),
    (directory, "a directory"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "reports")


def written(parent: Path) -> Path:
    made = RunFolder.create(parent, MADE.info.plan.drivers, MADE.info)
    for record in MADE.records:
        made.append(record)
    (made.path / SUMMARY).write_text("{}")
    return made.path


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Ended:
        capsys.readouterr()
        code = run_command_line(argv)
        return Ended(code, *capsys.readouterr(), argv[0])

    return call


@pytest.mark.parametrize("name", [RUN, RECORDS, SUMMARY])
@pytest.mark.parametrize("other", OTHERS, ids=[kind for _, kind in OTHERS])
def test_what_is_no_regular_file_is_refused_at_once(
    folder: Path, program: Program, name: str, other: tuple[Damage, str]
) -> None:
    damage, kind = other
    sound = str(written(folder.parent))
    damage(folder / name, 0)
    here = str(folder)
    calls = (
        ("report", here),
        ("export", here),
        ("compare", here, sound),
        ("compare", sound, here),
        ("trend", here),
        ("run", "--resume", here),
    )
    for argv in calls:
        done = program(*argv)
        assert (done.code, done.stdout) == (2, ""), argv
        assert f"{here}/{name} cannot be read: it is {kind}, not a regular file" in done.stderr
        assert "move" in done.stderr
    listed = program("runs", "--json")
    problems = {Path(r["folder"]).name: r["problem"] for r in json.loads(listed.stdout)["runs"]}
    assert listed.code == 0
    assert kind in problems[folder.name]
    assert problems[Path(sound).name] == ""


def test_a_page_of_runs_that_is_a_fifo_holds_nobody_up(folder: Path, program: Program) -> None:
    fifo(folder.parent / "index.html", 0)

    assert program("report", str(folder)).code == 0
    assert program("runs", "--html").code == 2


def test_a_link_to_a_regular_file_is_followed_and_one_to_itself_is_told(folder: Path) -> None:
    symlink(folder / RECORDS, 0)
    through = len(list(load(folder).records()))
    symlink(folder / RECORDS, 1)
    itself = load(folder)

    assert through == len(MADE.records)
    assert list(itself.records()) == []
    assert "symbolic links" in itself.notes[0]


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, plain_user: Callable[..., Caller]
) -> None:
    """Root reads every file: an ordinary user is called for."""
    user = plain_user() if os.geteuid() == 0 else Caller(tmp_path)
    folder = written(user.folder / "reports")
    owner = user.folder.stat()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    forbid(folder / RUN, 0)
    refused = user("report", str(folder))
    (folder / RUN).chmod(0o600)
    forbid(folder / RECORDS, 0)
    told = user("report", str(folder))

    assert (refused.code, told.code) == (2, 3)
    assert "Permission denied" in refused.stderr
    assert "Permission denied" in told.stderr


def test_a_file_that_becomes_a_fifo_once_it_is_open_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    with open_regular(path) as file:
        assert file.read() == b"text"
    fifo(path, 0)
    with pytest.raises(NotRegular):
        open_regular(path)


@pytest.mark.parametrize("number", COSTLY)
def test_a_field_that_cannot_be_costs_its_record_and_names_its_line(
    folder: Path, program: Program, number: int
) -> None:
    path = folder / RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    alone = folder / "line"
    alone.write_bytes(lines[4])
    edit(alone, number)
    lines[4] = alone.read_bytes()
    path.write_bytes(b"".join(lines))
    run = load(folder)
    records = list(run.records())
    done = program("report", str(folder))

    assert len(records) == len(MADE.records) - 1
    assert "line 5 is unreadable" in run.notes[0]
    assert done.code == 3
    assert len(done.stderr) < 2_000


WRONG = (
    ({"value": 0.0}, "a throughput of 0 bit/s is not above 0"),
    ({"value": -2e9}, "a throughput of -2e+09 bit/s is not above 0"),
    ({"value": 1e19}, "a throughput of 1e+19 bit/s cannot be"),
    ({"value": 1e-30}, "a throughput of 1e-30 bit/s cannot be"),
    ({"unit": "s"}, "throughput is in bit/s, not in 's'"),
    ({"metric": "speed"}, "this netbench knows no metric 'speed'"),
    ({"metric": "loss", "unit": "ratio", "value": -0.5}, "a loss of -0.5 ratio is negative"),
)


@pytest.mark.parametrize(("changes", "said"), WRONG)
def test_a_measurement_must_be_one_of_its_metric(changes: dict[str, object], said: str) -> None:
    one = replace(Measurement("throughput", 1e9, "bit/s"), **changes)  # type: ignore[arg-type]

    assert impossible(Sample((one,), received=1)) == f"measurements[0]: {said}"


def test_0_is_a_value_of_what_is_counted() -> None:
    assert impossible(Sample((Measurement("retransmits", 0.0, "count"),), received=0)) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"number": 0}, "number: 0 cannot be"),
        ({"block": 3}, "block: 3 is beyond the plan's 2 blocks"),
        ({"replica": 2}, "replica: 2 is no arm of"),
        ({"cell": replace(MADE.records[0].cell, driver="brigde")}, "cell: the plan has no brigde"),
        ({"clock": replace(MADE.records[0].clock, seconds=-1.0)}, "clock.seconds: -1 s cannot be"),
        ({"clock": replace(MADE.records[0].clock, started="noon")}, "clock.started: 'noon' is no"),
        ({"facts": (("trial.busy", 1e300),)}, "facts: a trial.busy of 1e+300 cannot be"),
    ],
)
def test_a_record_must_be_one_of_its_plan(changes: dict[str, object], said: str) -> None:
    wrong: Record = replace(MADE.records[0], **changes)  # type: ignore[arg-type]

    assert RecordCheck(MADE.info.plan).problem(MADE.records[0]) == ""
    assert RecordCheck(MADE.info.plan).problem(wrong).startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"baseline": "none"}, "plan.baseline: none is none of the plan's drivers"),
        ({"blocks": 0}, "plan.blocks: 0 cannot be"),
        ({"margin": -0.05}, "plan.margin: -0.05 is not above 0"),
        ({"drivers": ("host", "host", "bridge")}, "plan: a driver or a cell stands twice"),
        ({"drivers": ("host",)}, "plan.cells: bridge is none of the plan's drivers"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    folder: Path, changes: dict[str, object], said: str
) -> None:
    plan = replace(MADE.info.plan, **changes)  # type: ignore[arg-type]
    info = replace(MADE.info, plan=plan)
    RunFolder(folder).finish(info)

    assert run_problem(info) == said
    with pytest.raises(RunFolderError, match=re.escape(f"is damaged: {said}")):
        load(folder)


def test_a_driver_that_nobody_knows_has_a_report_all_the_same(
    folder: Path, program: Program
) -> None:
    for name in (RUN, RECORDS):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('"bridge"', '"brigde"'))
    done = program("report", str(folder))

    assert done.code == 0, done.stderr
    assert "brigde" in done.stdout
    for argv in (("export",), ("export", "--format", "adr"), ("export", "--format", "json")):
        assert program(argv[0], str(folder), *argv[1:]).code == 0


def test_a_throughput_of_0_has_no_logarithm_and_is_no_record(
    folder: Path, program: Program
) -> None:
    path = folder / RECORDS
    text = path.read_text()
    path.write_text(
        re.sub(r'"metric":"throughput","value":[0-9.e+]+', '"metric":"throughput","value":0', text)
    )
    done = program("report", str(folder))

    assert done.code == 3, done.stderr
    assert "a throughput of 0 bit/s is not above 0" in done.stderr


def test_a_line_without_end_is_not_read_into_memory(folder: Path) -> None:
    huge_line(folder / RECORDS, 0)
    run = load(folder)

    assert len(list(run.records())) == len(MADE.records)
    assert run.notes == ["records.jsonl: line 19 is unreadable: it is longer than 32 MiB"]


def test_a_long_value_is_told_by_its_beginning(folder: Path, program: Program) -> None:
    path = folder / RECORDS
    path.write_text(path.read_text().replace('"kind":"sample"', f'"kind":"{"x" * 100_000}"', 1))
    text = (folder / RUN).read_text()
    found = program("report", str(folder))
    (folder / RUN).write_text(text.replace('"complete"', f'"{"y" * 100_000}"'))
    refused = program("report", "--json", str(folder))

    for done, letter in ((found, "x"), (refused, "y")):
        assert len(done.stderr) < 2_000
        assert f"{letter}… (cut: 100," in done.stderr
    assert len(refused.stdout) < 2_000


def flooded(record: Record) -> Record:
    """A record whose every text is long."""
    facts = (("trial.list", ("entry",) * 5_000), ("trial.text", "z" * 100_000))
    reason = f"{record.number} {'r' * 100_000}"
    return replace(record, outcome=Failure("output", reason, "e" * 1_000_000), facts=facts)


def test_what_is_written_and_what_is_shown_is_bounded(tmp_path: Path, program: Program) -> None:
    info = replace(MADE.info, notes=("n" * 100_000,), facts=(("host.cpu_model", "c" * 300_000),))
    folder = RunFolder.create(tmp_path / "reports", MADE.info.plan.drivers, info)
    for record in MADE.records:
        folder.append(flooded(record))
    (first, *_) = load(folder.path).records()
    done = program("report", str(folder.path))

    assert isinstance(first.outcome, Failure)
    assert first.outcome.evidence == f"{'e' * TEXT}… (cut: 1,000,000 characters)"
    entries, text = (value for _, value in first.facts)
    assert isinstance(entries, tuple)
    assert entries[ENTRIES:] == ("… (cut: 5,000 entries)",)
    assert text == f"{'z' * TEXT}… (cut: 100,000 characters)"
    assert done.code == 3, done.stderr
    assert (folder.path / RECORDS).stat().st_size < 200_000 * len(MADE.records)
    plain = written(tmp_path / "plain")
    assert program("report", str(plain)).code == 0
    usual = (plain / "report.html").stat().st_size
    assert (folder.path / "report.html").stat().st_size < usual + 500_000
    assert len(done.stdout) < 100_000


def test_a_long_text_of_others_is_shown_by_its_beginning(folder: Path, program: Program) -> None:
    document = json.loads((folder / RUN).read_text())
    document["facts"] = [[f"host.fact{n}", "f" * 100_000] for n in range(100)]
    (folder / RUN).write_text(json.dumps(document))
    whole = (folder / RUN).read_bytes()
    done = program("report", str(folder))

    assert done.code == 0, done.stderr
    assert (folder / "report.html").stat().st_size < 4_000_000
    assert "(cut: 100,000 characters)" in (folder / "report.html").read_text()
    assert (folder / RUN).read_bytes() == whole


def test_many_runs_with_damage_are_listed_each_in_one_line(tmp_path: Path) -> None:
    parent = tmp_path / "reports"
    for damage, _ in OTHERS:
        damage(written(parent) / RUN, 0)

    assert len(list_runs(parent)) == len(OTHERS)
    assert all("cannot be read" in run.problem for run in list_runs(parent))
