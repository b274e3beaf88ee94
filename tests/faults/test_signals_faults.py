"""Signals at every stage of a run, on the netns engine."""

import json
import os
import signal
from signal import Signals

import pytest
from support.faults import (
    SESSIONS,
    Bed,
    assert_kept,
    assert_one_error,
    held,
    nothing_left,
    stages,
)
from support.program import assert_cleaned, wait_for

from netbench.store import load

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TRIES = 5
"""Runs in which a report, which takes a moment, may be done before the signal comes."""
STAGES = ("build", "create", "settle", "probe", "record", "teardown", "report")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", CAUGHT, ids=lambda number: number.name)
def test_a_signal_ends_a_run_in_good_order(bed: Bed, number: Signals, stage: str) -> None:
    with nothing_left(bed):
        for turn in range(TRIES):
            run = bed.start(name=f"{turn}-")
            run.until(stages(bed)[stage])
            run.signal(number)
            code = run.end()
            if code != 0 or stage != "report":
                break
            # the signal came when all was done
            (folder,) = (bed.program.folder / "reports").iterdir()
            assert (folder / "report.html").exists()
            folder.rename(bed.program.folder / f"done-{turn}")

        assert code == 130, run.said
        assert_one_error(run, f"stopped by {number.name}")
        loaded = assert_kept(run)
        if stage not in ("build", "create"):
            assert loaded is not None
        if loaded is not None and stage != "report":
            assert loaded.info.status in ("interrupted", "complete")


@pytest.mark.cleans
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_is_cleaned_up_after(bed: Bed, stage: str) -> None:
    with nothing_left(bed):
        run = bed.start()
        run.until(stages(bed)[stage])
        run.signal(signal.SIGKILL)

        assert run.end() == -signal.SIGKILL
        loaded = assert_kept(run, truncated=True)
        cleaned = bed.program("clean", "--json")
        assert_cleaned(cleaned)
        rows = json.loads(cleaned.stdout)["clean"]
        assert loaded is None or {r["action"] for r in rows if r["run"] == loaded.info.id} <= {
            "removed"
        }
        if loaded is not None:
            # 3 where records of the plan are missing
            assert bed.program("report", str(loaded.path)).code in {0, 3}


@pytest.mark.cleans
@pytest.mark.parametrize("number", [*CAUGHT, signal.SIGKILL], ids=lambda number: number.name)
def test_tools_that_are_held_go_with_the_run(bed: Bed, number: Signals) -> None:
    """A process that is stopped heeds no signal but SIGKILL."""
    with nothing_left(bed):
        run = bed.start(cell=SESSIONS)
        run.until(lambda _: held(bed))
        run.signal(number)

        if number is signal.SIGKILL:
            assert run.end() == -signal.SIGKILL
            assert_kept(run, truncated=True)
            assert_cleaned(bed.program("clean"))
        else:
            assert run.end() == 130, run.said
            assert_one_error(run, f"stopped by {number.name}")
            assert_kept(run)


@pytest.mark.cleans
def test_what_a_killed_run_leaves_goes_before_anybody_asks_how_it_ended(bed: Bed) -> None:
    """The parent of a netbench may be busy, and what is dead and not reaped is still listed."""
    with nothing_left(bed):
        run = bed.program.popen(
            "run", *bed.options, "--blocks", "9", "--suite", bed.program.suite()
        )
        bed.started.append(run.pid)
        wait_for(bed.program.so_far)
        run.kill()
        os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
        try:
            rows = bed.program("clean", "--json").json["clean"]
        finally:
            run.communicate()
        (folder,) = (bed.program.folder / "reports").iterdir()
        found = {row["action"] for row in rows if row["run"] == load(folder).info.id}
        assert found == {"removed"}


@pytest.mark.parametrize("stage", ["probe", "teardown"])
def test_a_second_signal_does_not_cut_the_cleaning_short(bed: Bed, stage: str) -> None:
    with nothing_left(bed):
        run = bed.start()
        run.until(stages(bed)[stage])

        assert run.insist(signal.SIGINT) == 130, run.said
        assert "Traceback" not in run.said
        assert_kept(run)
