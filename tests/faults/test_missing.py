"""What is planned and absent: counted, named, told everywhere, and measured by `--resume`."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from support.campaign import Campaign, noisy
from support.plans import plan_of, record_of
from support.program import Ended
from support.running import Run as FakeRun
from support.running import records as records_of
from support.schemas import validated
from support.synthetic import run_of

from netbench.analysis import analyse
from netbench.analysis.missing import missing
from netbench.cli import run_command_line
from netbench.errors import RunFolderLost
from netbench.record import (
    Failure,
    Measurement,
    Record,
    Resumed,
    RunInfo,
    Sample,
    Settled,
    Status,
    Why,
)
from netbench.record.checks import RecordCheck
from netbench.runner.recording import Recording
from netbench.spec import Placement
from netbench.store import RECORDS, RunFolder, load
from netbench.workflow.reporting import recounted
from netbench.workflow.resume import _recalled

RUN = run_of(blocks=4, drivers=("host", "bridge", "bridge:user"))
PER_BLOCK = 12
Program = Callable[..., Ended]


def ended(status: Status, info: RunInfo = RUN.info) -> RunInfo:
    return replace(info, status=status)


def test_nothing_is_missing_of_a_run_that_has_its_plan() -> None:
    found = missing(RUN.info, RUN.records)

    assert not found
    assert (found.planned, found.absent) == (4 * PER_BLOCK, 0)
    assert analyse(RUN.info, RUN.records).exit_code == 3  # one trial failed
    clean = run_of(blocks=2)
    assert analyse(clean.info, clean.records).exit_code == 0


@pytest.mark.parametrize("status", ["complete", "running", "interrupted", "engine-lost"])
def test_what_a_cut_leaves_out_is_counted_and_named(status: Status) -> None:
    found = missing(ended(status), RUN.records[: PER_BLOCK + 4])

    assert (found.absent, found.planned) == (2 * PER_BLOCK + 8, 4 * PER_BLOCK)
    assert found.partial == ((2, 8, PER_BLOCK),)
    assert found.whole == ((3, 4),)
    assert sum(absent for _, absent, _ in found.drivers) == found.absent
    assert "32 of 48 planned records are missing: block 2 lacks 8 of 12, blocks 3 to 4" in (
        found.words
    )


def test_a_run_out_of_time_lacks_only_what_it_began() -> None:
    begun = missing(ended("out-of-time"), RUN.records[:PER_BLOCK])
    partial = missing(ended("out-of-time"), RUN.records[: PER_BLOCK + 1])

    assert not begun
    assert partial.absent == PER_BLOCK - 1


def test_a_driver_whose_records_are_all_gone_is_named() -> None:
    kept = [record for record in RUN.records if record.cell.driver != "bridge"]
    found = missing(RUN.info, kept)
    analysis = analyse(RUN.info, kept)
    (warning,) = [w for w in analysis.warnings if w.kind == "missing-records"]

    assert found.drivers == (("bridge", 12, 12),)
    assert "bridge 12 of 12" in warning.message
    assert analysis.exit_code == 3


def test_a_run_without_any_record_lacks_its_whole_plan() -> None:
    found = missing(RUN.info, ())

    assert (found.absent, found.planned) == (48, 48)
    assert found.whole == ((1, 4),)


ADAPTIVE = Campaign(noisy({"bridge": 0.5}), adaptive=True, blocks=20, least=6, cap=20)
BRIDGE = ADAPTIVE.info().plan.cells[1]


def left(info: RunInfo, block: int, why: Why = "decided") -> RunInfo:
    return replace(info, settled=(Settled(BRIDGE, block, why),))


def until(block: int) -> list[Record]:
    return [record for record in ADAPTIVE.records() if record.block <= block]


def test_cells_that_have_settled_are_not_missed_and_an_adaptive_run_ends_with_them() -> None:
    info = left(ADAPTIVE.info(), 7)

    assert not missing(info, until(7))
    assert missing(info, until(6)).whole == ((7, 7),)
    assert missing(ADAPTIVE.info(), until(7)).whole == ((8, 20),)


def test_an_adaptive_run_that_was_cut_off_lacks_at_least_what_a_verdict_needs() -> None:
    info = ended("running", ADAPTIVE.info())

    assert missing(info, until(2)).whole == ((3, 6),)
    assert missing(info, until(6)).whole == ((7, 7),)
    assert missing(info, until(6)).words.startswith("at least 3 of at least 21 planned")
    assert not missing(ended("running", left(ADAPTIVE.info(), 6)), until(6))


def test_cells_that_came_back_are_missed_again() -> None:
    resumed = Resumed("2026-01-01", (), "1", 7, 19, 0, 9.0, extended_blocks=2, reopened=True)
    info = left(ADAPTIVE.info(), 6)
    more = replace(info, resumed=(resumed,), plan=replace(info.plan, blocks=8))

    assert missing(more, until(6)).whole == ((7, 8),)
    assert not missing(more, until(8))


def test_cells_that_only_describe_are_planned_in_their_first_blocks() -> None:
    plan = replace(RUN.info.plan, limits=(("tcp-rr", "same", 1),))
    kept = [r for r in RUN.records if r.cell.placement != "same" or r.block == 1]

    assert not missing(replace(RUN.info, plan=plan), kept)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a sound run with its report."""
    sound = run_of(blocks=2, drivers=("host", "bridge"))
    made = RunFolder.create(tmp_path / "reports", sound.info.plan.drivers, sound.info)
    for record in sound.records:
        made.append(record)
    assert run_command_line(("report", str(made.path))) == 0
    return made.path


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    def call(*argv: str) -> Ended:
        capsys.readouterr()
        code = run_command_line(argv)
        return Ended(code, *capsys.readouterr(), argv[0])

    return call


def cut(folder: Path, lines: int, more: bytes = b"") -> None:
    path = folder / RECORDS
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]) + more)


def without_records(folder: Path) -> None:
    (folder / RECORDS).unlink()


def with_empty_records(folder: Path) -> None:
    (folder / RECORDS).write_bytes(b"")


def with_binary_records(folder: Path) -> None:
    (folder / RECORDS).write_bytes(bytes(range(256)) * 40)


def without_a_driver(folder: Path) -> None:
    path = folder / RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"driver":"bridge"' not in line))


def with_a_few(folder: Path) -> None:
    cut(folder, 6, b'{"number":7,')


LOSSES = (without_records, with_empty_records, with_binary_records, without_a_driver, with_a_few)


@pytest.mark.parametrize("lose", LOSSES)
def test_every_command_tells_what_a_folder_has_lost(
    folder: Path, program: Program, lose: Callable[[Path], None]
) -> None:
    shutil.copytree(folder, folder.parent / "sound")
    sound = str(folder.parent / "sound")
    lose(folder)
    shown, document = program("report", str(folder)), program("report", "--json", str(folder))
    table = program("export", str(folder))
    text = program("export", str(folder), "--format", "md")
    metrics = program("export", str(folder), "--format", "openmetrics")
    compared = program("compare", sound, str(folder), "--json")

    for done in (shown, document, table, text, metrics, compared):
        assert done.code == 3, done.stderr
    said = "planned records are missing"
    kinds = [w["kind"] for w in validated("run", json.loads(document.stdout))["warnings"]]
    assert "missing-records" in kinds
    assert said in shown.stdout.replace("\n", " ")
    assert said in table.stderr
    assert said in text.stdout
    assert said in metrics.stderr
    assert 'netbench_warnings{kind="missing-records"} 1.0' in metrics.stdout
    assert "netbench_missing_records 0.0" not in metrics.stdout
    assert "missing-records" in compared.stdout


def test_a_comparison_that_misses_a_record_ends_with_3(folder: Path, program: Program) -> None:
    for name in ("one", "two"):
        shutil.copytree(folder, folder.parent / name)
    pair = str(folder.parent / "one"), str(folder.parent / "two")
    whole = program("compare", *pair)
    cut(folder.parent / "two", 17)
    lacking = program("compare", *pair)

    assert (whole.code, lacking.code) == (0, 3), lacking.stdout
    assert "B: 1 of 18 planned records are missing: block 2 lacks 1 of 9" in lacking.stdout


@pytest.mark.parametrize("lose", LOSSES)
def test_a_report_is_not_replaced_by_one_that_says_less(
    folder: Path, program: Program, lose: Callable[[Path], None]
) -> None:
    files = ("report.html", "summary.md", "summary.csv", "summary.json")
    before = {name: (folder / name).read_bytes() for name in files}
    lose(folder)
    done = program("report", str(folder))

    assert {name: (folder / name).read_bytes() for name in files} == before
    assert "report.html" not in done.stdout.replace("report.damaged.html", "")
    assert "made of 18 records" in done.stderr
    assert "it stays as it is" in done.stderr
    beside = json.loads((folder / "summary.damaged.json").read_text())
    assert "missing-records" in [w["kind"] for w in beside["warnings"]]
    assert "planned records are missing" in (folder / "summary.damaged.md").read_text()
    assert "planned records are missing" in (folder / "report.damaged.html").read_text()


def test_a_report_is_not_replaced_where_nobody_knows_what_it_says(
    folder: Path, program: Program
) -> None:
    page = (folder / "report.html").read_bytes()
    (folder / "summary.json").write_text("{")
    cut(folder, 6)
    done = program("report", str(folder))

    assert (folder / "report.html").read_bytes() == page
    assert "made of an unknown number of records" in done.stderr


def test_a_run_that_has_its_plan_gets_its_report_whatever_stood_there(
    folder: Path, program: Program
) -> None:
    (folder / "summary.json").write_text("{")
    with (folder / RECORDS).open("ab") as file:
        file.write(b"#\n")
    done = program("report", str(folder))

    assert done.code == 0
    assert recounted(json.loads((folder / "summary.json").read_text())) == 18
    assert not (folder / "report.damaged.html").exists()


def test_a_report_that_says_as_much_is_replaced(folder: Path, program: Program) -> None:
    (folder / "report.html").write_text("old")
    done = program("report", str(folder))

    assert done.code == 0, done.stderr
    assert (folder / "report.html").stat().st_size > 10_000
    assert not (folder / "report.damaged.html").exists()


def resumed_folder(folder: Path, kept: range) -> None:
    """Let a run be resumed after its first block and three more records, and hold some of its own.

    The report in the folder is of the twelve records that were there before.
    """
    cut(folder, 12)
    (folder / "summary.json").unlink()
    run_command_line(("report", str(folder)))
    info = replace(load(folder).info, resumed=(Resumed("now", (), "1", 2, 13, 3, 9.0),))
    made = RunFolder(folder)
    made.finish(info)
    second = [r for r in run_of(blocks=2, drivers=("host", "bridge")).records if r.block == 2]
    for number, record in enumerate(second[kept.start : kept.stop], start=13):
        made.append(replace(record, number=number, attempt=2))


def test_a_report_follows_a_run_whose_block_is_being_measured_anew(
    folder: Path, program: Program
) -> None:
    resumed_folder(folder, range(1))
    done = program("report", str(folder))

    assert done.code == 3
    assert recounted(json.loads((folder / "summary.json").read_text())) == 10
    assert not (folder / "report.damaged.html").exists()


def test_records_that_are_set_aside_hide_no_loss(folder: Path, program: Program) -> None:
    resumed_folder(folder, range(9))
    path = folder / RECORDS
    program("report", str(folder))
    assert recounted(json.loads((folder / "summary.json").read_text())) == 18
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[2:]))
    program("report", str(folder))

    assert recounted(json.loads((folder / "summary.json").read_text())) == 18
    assert recounted(json.loads((folder / "summary.damaged.json").read_text())) == 16


def test_damaged_lines_leave_their_trace_in_every_output(folder: Path, program: Program) -> None:
    path = folder / RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3], lines[7] = b"#\n", lines[6]
    path.write_bytes(b"".join(lines))
    done = program("report", "--json", str(folder))
    found = {w["kind"]: w["message"] for w in json.loads(done.stdout)["warnings"]}

    assert done.code == 3
    assert "2 lines are no record of this run, and left out: lines 4, 8" in found["damaged-records"]
    assert "2 of 18 planned records are missing" in found["missing-records"]
    for name in ("report.damaged.html", "summary.damaged.md"):
        assert "lines 4, 8" in (folder / name).read_text()
    assert "line 4 is unreadable" in done.stderr
    assert "line 8 is unreadable: number: 7 is that of an earlier record" in done.stderr


def test_of_many_damaged_lines_the_first_are_named(folder: Path, program: Program) -> None:
    with (folder / RECORDS).open("ab") as file:
        file.write(b"".join(b"#\n%s" % (b"\n" * (n % 2)) for n in range(1000)))
    done = program("report", "--json", str(folder))
    found = {w["kind"]: w["message"] for w in json.loads(done.stdout)["warnings"]}

    assert done.code == 0  # nothing that was planned is missing
    assert found["damaged-records"].startswith("1,500 lines are no record")
    assert "and 1,490 more lines are unreadable" not in done.stderr.splitlines()[0]
    assert "1,490 more lines are unreadable" in done.stderr
    assert len(found["damaged-records"]) < 1000


KINDS = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))
PLAN = plan_of("host", "bridge", kinds=KINDS, blocks=5)
EACH = 6


def plan_records() -> list[Record]:
    """Return the records of every block of the plan."""
    found: list[Record] = []
    for number in range(1, 6):
        for step in PLAN.block(number).steps:
            found.append(record_of(step, number, len(found) + 1))
    return found


def written(parent: Path, records: Iterable[Record], status: Status = "complete") -> Path:
    info = replace(RUN.info, plan=PLAN.summary(), status=status, wall=100.0)
    folder = RunFolder.create(parent, ("host", "bridge"), info)
    for record in records:
        folder.append(record)
    return folder.path


@pytest.mark.parametrize("status", ["complete", "running", "out-of-time"])
@pytest.mark.parametrize(
    ("lost", "anew", "aside"),
    [
        ({8}, [2], 5),
        ({8, 20}, [2, 4], 10),
        ({7, 8, 9, 10, 11, 12}, [2], 0),
        ({3, 30}, [1, 5], 10),
        ({25, 26, 27, 28, 29, 30}, [5], 0),
        (set(range(1, 31)), [1, 2, 3, 4, 5], 0),
        (set(range(1, 31, 6)), [1, 2, 3, 4, 5], 25),
    ],
)
def test_a_resumed_run_measures_every_block_that_lost_a_record_and_no_other(
    tmp_path: Path, status: Status, lost: set[int], anew: list[int], aside: int
) -> None:
    kept = [record for record in plan_records() if record.number not in lost]
    run = load(written(tmp_path, kept, status))
    state, count = _recalled(run, PLAN)
    resumed = Resumed(
        "now", (), "1", state.block + 1, state.number + 1, count, 9.0, again=state.measured_anew
    )
    fresh = records_of(FakeRun(PLAN, state=state).events())
    everything = [*kept, *fresh]
    counted = [r for r in everything if not resumed.sets_aside(r.block, r.number)]

    assert sorted({record.block for record in fresh}) == anew
    assert count == aside == len(everything) - len(counted)
    assert len({record.number for record in everything}) == len(everything)
    assert not missing(replace(run.info, resumed=(resumed,)), counted)
    attempts = {(r.block, r.attempt) for r in fresh}
    partly = {r.block for r in kept} & set(anew)
    assert attempts == {(block, 1 + (block in partly)) for block in anew}


def test_no_limit_of_time_keeps_a_run_from_measuring_again_what_it_lost(tmp_path: Path) -> None:
    plan = replace(PLAN, max_time=10.0)
    kept = [record for record in plan_records() if record.block != 2]
    run = load(written(tmp_path, kept, "out-of-time"))
    state, _ = _recalled(run, plan)  # it took 100 s
    fresh = records_of(FakeRun(plan, state=state).events())

    assert {record.block for record in fresh} == {2}


def test_what_had_settled_stays_so_though_the_records_that_settled_it_are_gone(
    tmp_path: Path,
) -> None:
    plan = replace(PLAN, adaptive=True, least=2)
    gone = next(cell for cell in plan.cells if cell.driver == "bridge")
    left = [c for c in plan.cells if c.placement is not gone.placement]
    some = [r for r in plan_records() if r.block not in {2, 5}]
    kept = [r for r in some if r.block < 3 or r.cell in left]
    path = written(tmp_path, kept)
    info = replace(load(path).info, plan=plan.summary(), settled=(Settled(gone, 2, "decided"),))
    RunFolder(path).finish(info)
    state, aside = _recalled(load(path), plan)
    fresh = records_of(FakeRun(plan, state=state).events())

    assert aside == 0
    assert {(r.block, r.cell.placement) for r in fresh} == {
        (2, Placement.CROSS),
        (2, Placement.SAME),
        (5, left[0].placement),
    }


@pytest.mark.parametrize("left", [7, 6, 0])
def test_a_run_that_is_killed_before_its_first_new_record_goes_on_with_numbers_of_its_own(
    tmp_path: Path, left: int
) -> None:
    """Or whose records all got lost since: an earlier resumption sets lower numbers aside."""
    info = replace(RUN.info, plan=PLAN.summary(), status="running", wall=None)
    before = Resumed("now", (), "1", 2, 9, 2, 9.0)
    path = written(tmp_path, plan_records()[:left], "running")
    RunFolder(path).finish(replace(info, resumed=(before,)))
    run = load(path)
    state, aside = _recalled(run, PLAN)
    first = state.number + 1
    fresh = records_of(FakeRun(PLAN, state=state).events())

    assert aside == 0
    assert first == 9
    assert not any(before.sets_aside(r.block, r.number) for r in fresh)
    assert {r.attempt for r in fresh if r.block == 2} == {2}


def test_raw_output_of_records_that_are_damaged_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, plan_records())
    for number in (29, 30):
        (path / "raw" / f"{number:05d}-client.txt").write_text("printed")
    cut(path, 28)
    state, _ = _recalled(load(path), PLAN)
    RunFolder(path).mend(state.number)

    assert state.number == 30
    assert len(list((path / "raw").iterdir())) == 2


def test_a_last_line_without_its_end_is_kept_when_a_folder_is_mended(tmp_path: Path) -> None:
    path = written(tmp_path, plan_records())
    whole = (path / RECORDS).read_bytes()
    (path / RECORDS).write_bytes(whole[:-1])
    RunFolder(path).mend(30)

    assert (path / RECORDS).read_bytes() == whole


def test_lines_in_another_order_are_the_same_run(tmp_path: Path) -> None:
    path = written(tmp_path, plan_records())
    lines = (path / RECORDS).read_bytes().splitlines(keepends=True)
    (path / RECORDS).write_bytes(b"".join([*lines[17:], *lines[:17]]))
    state, aside = _recalled(load(path), PLAN)

    assert (state.block, state.number, aside, state.again) == (5, 30, 0, {})


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300])
def test_a_number_that_no_reader_takes_is_recorded_as_a_failure(value: float) -> None:
    step = PLAN.block(1).steps[0]
    recording = Recording(FakeRun(PLAN).runner.recorder, 1, 1, 1, step)
    made = recording.record(Sample((Measurement("throughput", value, "bit/s"),), received=1), 1.0)

    assert isinstance(made.outcome, Failure)
    assert "a number that cannot be: measurements[0]: a throughput of" in made.outcome.reason
    assert RecordCheck(PLAN.summary()).problem(made) == ""


def test_records_that_cannot_be_written_to_stop_a_resumption_before_anything_is_written(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, plan_records())
    (path / RECORDS).unlink()
    (path / RECORDS).symlink_to(path / RECORDS)

    with pytest.raises(RunFolderLost, match="symbolic links"):
        RunFolder(path).mend(0)
    (path / RECORDS).unlink()
    os.mkfifo(path / RECORDS)
    with pytest.raises(RunFolderLost, match="it is a FIFO"):
        RunFolder(path).mend(0)
