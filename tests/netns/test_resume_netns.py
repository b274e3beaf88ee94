"""`netbench run --resume` on nothing but the kernel: a run cut off, and runs extended."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.faults import trickle
from support.hang import HANG
from support.program import Program, records, wait_for

from netbench.store import load

PER_BLOCK = 3
BLOCKS = 2


@pytest.fixture
def cut_off(program: Program) -> Path:
    """The folder of a run that was killed in its second block."""
    suite = program.suite(trickle())
    running = program.popen(
        *("run", "--drivers", "host,bridge", "--blocks", str(BLOCKS), "--seed", "3"),
        *("--suite", suite),
    )
    wait_for(lambda: len(program.so_far()) > PER_BLOCK)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=HANG)
    folder = program.run_folder()
    assert PER_BLOCK < len(records(folder)) < 2 * PER_BLOCK
    return folder


def changed(folder: Path, **facts: Any) -> None:
    """Let the run have begun on another machine."""
    path = folder / "run.json"
    info = json.loads(path.read_text())
    info["facts"] = [
        [name, facts.get(name.replace(".", "_"), value)] for name, value in info["facts"]
    ]
    path.write_text(json.dumps(info))


def assert_whole(folder: Path, blocks: int = BLOCKS) -> list[dict[str, Any]]:
    """Every arm counts once in each block, and every record says by itself which it is."""
    run = load(folder)
    counting = [(r.block, r.cell.driver, r.replica) for r in run.records()]
    arms = [("bridge", 0), ("host", 0), ("host", 1)]
    on_disk = records(folder)
    keys = Counter((r["block"], r["cell"]["driver"], r["replica"], r["attempt"]) for r in on_disk)

    assert sorted(counting) == [(block, *arm) for block in range(1, blocks + 1) for arm in arms]
    assert set(keys.values()) == {1}
    assert [r["number"] for r in on_disk] == list(range(1, len(on_disk) + 1))
    assert run.notes == []
    assert (run.info.status, run.info.plan.seed) == ("complete", 3)
    return on_disk


def test_a_killed_run_goes_on_with_the_block_that_was_cut_off(
    program: Program, cut_off: Path
) -> None:
    before = (cut_off / "records.jsonl").read_text()
    plan = json.loads((cut_off / "run.json").read_text())["plan"]
    own = ("--drivers", "host, bridge", "--seed", "3", "--blocks", str(BLOCKS))
    done = program("run", "--resume", str(cut_off), "--json", *own)

    assert done.code == 0, done.stderr
    assert (cut_off / "records.jsonl").read_text().startswith(before)
    on_disk = assert_whole(cut_off)
    info = load(cut_off).info
    (resumed,) = info.resumed
    assert (resumed.block, resumed.number) == (2, before.count("\n") + 1)
    assert resumed.set_aside == before.count("\n") - PER_BLOCK
    assert json.loads((cut_off / "run.json").read_text())["plan"] == plan
    assert done.json["status"] == "complete"
    rates = [cell for cell in done.json["cells"] if cell["metric"] == "throughput"]
    assert [cell["trials"] for cell in rates] == [BLOCKS, BLOCKS]
    assert info.wall is not None
    assert info.wall > sum(r["clock"]["seconds"] for r in on_disk) * 0.9
    assert "set aside" in (cut_off / "report.html").read_text()

    again = program("run", "--resume", str(cut_off), "--json")
    assert again.code == 0
    assert "nothing is left" in again.stderr
    assert f"netbench run --resume {cut_off} --blocks +10" in again.stderr
    assert again.json["contrasts"] == done.json["contrasts"]
    assert records(cut_off) == on_disk


@pytest.fixture
def ended(program: Program) -> Path:
    """The folder of a run that ended as planned."""
    plan = ("--drivers", "host,bridge", "--blocks", str(BLOCKS), "--seed", "3")
    done = program("run", *plan, "--suite", program.suite(trickle()))
    assert done.code == 0, done.stderr
    return program.run_folder()


def test_a_run_that_ended_is_extended_by_blocks_and_then_by_time(
    program: Program, ended: Path
) -> None:
    before = (ended / "records.jsonl").read_text()
    done = program("run", "--resume", str(ended), "--blocks", "+1", "--json")

    assert done.code == 0, done.stderr
    assert "extended by 1 block; to measure: all cells" in done.stderr
    assert (ended / "records.jsonl").read_text().startswith(before)
    assert_whole(ended, BLOCKS + 1)
    info = load(ended).info
    (resumed,) = info.resumed
    assert (resumed.extended_blocks, resumed.extended_time, resumed.reopened) == (1, 0.0, False)
    assert (resumed.block, resumed.set_aside) == (BLOCKS + 1, 0)
    assert (info.plan.cap, info.plan.blocks, info.plan.max_time) == (BLOCKS, BLOCKS + 1, None)
    rates = [cell for cell in done.json["cells"] if cell["metric"] == "throughput"]
    assert [cell["trials"] for cell in rates] == [BLOCKS + 1] * 2
    assert info.wall is not None

    program("run", "--resume", str(ended), "--max-time", "+12", "--json")
    later = load(ended).info
    assert later.status == "out-of-time"
    assert later.plan.cap == BLOCKS
    assert later.plan.max_time == pytest.approx(info.wall + 12)
    assert later.resumed[1].extended_time == 12
    assert max(r["block"] for r in records(ended)) > BLOCKS + 1


def test_a_killed_run_is_extended_beyond_its_rest(program: Program, cut_off: Path) -> None:
    done = program("run", "--resume", str(cut_off), "--blocks", "+1", "--json")

    assert done.code == 0, done.stderr
    assert_whole(cut_off, BLOCKS + 1)
    (resumed,) = load(cut_off).info.resumed
    assert (resumed.block, resumed.extended_blocks) == (2, 1)
    assert resumed.set_aside > 0


def test_whatever_is_wrong_with_an_extension_is_one_error_and_nothing_is_changed(
    program: Program, ended: Path
) -> None:
    untouched = {path: path.read_bytes() for path in ended.rglob("*") if path.is_file()}
    wrong = ("--blocks", "12", "--max-time", "+soon", "--seed", "4")
    done = program("run", "--resume", str(ended), *wrong, "--json")
    fixed = program("run", "--resume", str(ended), "--blocks", "12", "--json")

    assert (done.code, fixed.code) == (2, 2)
    problems = done.json["error"]["problems"]
    assert len(problems) == 3
    for words in ("--blocks +N adds N blocks", "not '+soon'", "--seed: 3 when the run began"):
        assert sum(words in problem for problem in problems) == 1
    assert "--blocks +N adds N blocks" in fixed.json["error"]["message"]
    assert {path: path.read_bytes() for path in untouched} == untouched


def test_a_changed_machine_is_refused_with_every_difference_unless_forced(
    program: Program, cut_off: Path
) -> None:
    changed(cut_off, kernel_release="5.4.0-old", net_rmem_max=1)
    untouched = {path: path.read_bytes() for path in cut_off.rglob("*") if path.is_file()}
    refused = program("run", "--resume", str(cut_off), "--drivers", "host,none", "--json")

    assert refused.code == 2
    problems = refused.json["error"]["problems"]
    assert len(problems) == 3
    for word in ("--drivers: host,bridge when", "kernel.release: 5.4.0-old when", "net.rmem_max"):
        assert sum(word in problem for problem in problems) == 1
    assert "--force" in refused.json["error"]["hint"]
    assert {path: path.read_bytes() for path in untouched} == untouched

    forced = program("run", "--resume", str(cut_off), "--force", "--json")
    assert forced.code == 0, forced.stderr
    assert_whole(cut_off)
    (resumed,) = load(cut_off).info.resumed
    assert [d.what for d in resumed.differences] == ["kernel.release", "net.rmem_max"]
    (told,) = [w for w in forced.json["warnings"] if w["kind"] == "resumed-changed"]
    assert "5.4.0-old when the run began" in told["message"]
    for name, words in (
        ("report.html", "5.4.0-old when the run began"),
        ("summary.md", "it was resumed on a changed machine"),
    ):
        assert words in (cut_off / name).read_text(), name


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--force",), "--force needs --resume"),
        (("--blocks", "+3"), "--blocks +3 extends a run that is there"),
        (("--max-time", "+3"), "--max-time +3 extends a run that is there"),
        (("--resume", "nowhere"), "does not exist"),
        (("--resume", "."), "is not a run folder"),
    ],
)
def test_what_cannot_be_resumed_is_one_clear_error(
    program: Program, argv: tuple[str, ...], words: str
) -> None:
    (program.folder / "notes.txt").touch()
    done = program("run", *argv)

    assert done.code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_what_got_lost_of_a_run_that_ended_is_measured_again(program: Program, ended: Path) -> None:
    path = ended / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]))
    page = (ended / "report.html").read_bytes()
    told = program("report", str(ended), "--json")
    assert told.code == 3
    assert "missing-records" in [warning["kind"] for warning in told.json["warnings"]]
    assert (ended / "report.html").read_bytes() == page
    done = program("run", "--resume", str(ended), "--json")

    assert done.code == 0, done.stderr
    assert "to measure: block 1, then what is left" in done.stderr
    assert path.read_text().startswith("".join(lines[1:]))
    info = load(ended).info
    (resumed,) = info.resumed
    assert (info.status, resumed.again, resumed.set_aside) == ("complete", (1,), PER_BLOCK - 1)
    rates = [cell for cell in done.json["cells"] if cell["metric"] == "throughput"]
    assert [cell["trials"] for cell in rates] == [BLOCKS, BLOCKS]
    assert (ended / "report.html").read_bytes() != page
