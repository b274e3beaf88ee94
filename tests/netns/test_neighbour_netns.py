"""A busy neighbour that comes half-way through a run: named as such, and no verdict flips."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.program import ONE_SECOND, Ended, Program, records, wait_for
from support.require import require_or_skip

from netbench.store import load

pytestmark = pytest.mark.alone

BLOCKS, COMES = 8, 5
"""The neighbour comes while this block is measured, so that it is there in the idle windows of all
later ones."""
SAME, AGAIN = "bridge:user", "bridge:user@mtu=1500"
"""One and the same driver under two names."""
HOG = (
    "import os, sys, time\n"
    "os.sched_setaffinity(0, {int(sys.argv[1])})\n"
    "end = time.monotonic() + 240\n"
    "while time.monotonic() < end: pass\n"
)


@contextmanager
def hog(cpu: int) -> Iterator[None]:
    """Keep a CPU busy; ended with the test, or by itself."""
    process = subprocess.Popen((sys.executable, "-c", HOG, str(cpu)))
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_folder(program: Program, running: subprocess.Popen[str]) -> Path:
    """Return the run's folder as soon as the block is measured in which the neighbour comes."""

    def seen() -> Path | None:
        assert running.poll() is None, running.communicate()
        folders = list((program.folder / "reports").glob("*"))
        here = [record["block"] for folder in folders for record in records(folder)]
        return folders[0] if COMES in here else None

    found = wait_for(seen, within=400)
    assert isinstance(found, Path)
    return found


@pytest.fixture(scope="module")
def disturbed(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Ended]:
    """A run of two equal arms and the host, with a neighbour from its middle on."""
    del namespaces
    if len(os.sched_getaffinity(0)) < 2:
        require_or_skip("netns", "one CPU: no cell across two")
    program = Program(tmp_path_factory.mktemp("run"), environment={"NETBENCH_ENGINE": "netns"})
    arms = ("--drivers", f"{SAME},{AGAIN},host", "--baseline", SAME)
    plan = ("--blocks", str(BLOCKS), "--seed", "11", "--suite", program.suite(ONE_SECOND))
    with program.popen("run", *arms, *plan, "--json") as running:
        folder = run_folder(program, running)
        (placement,) = load(folder).info.plan.placements
        assert placement.server is not None
        with hog(placement.server):
            stdout, stderr = running.communicate(timeout=400)
    return program, Ended(running.returncode, stdout, stderr)


def test_it_is_reported_with_the_blocks_in_which_it_was_there(
    disturbed: tuple[Program, Ended],
) -> None:
    program, done = disturbed
    (told,) = [w for w in done.json["warnings"] if w["kind"] == "neighbour"]
    busy = {r.block: dict(r.facts)["trial.idle_busy"] for r in load(program.run_folder()).records()}

    assert all(isinstance(one, float) for one in busy.values())
    assert min(busy[block] for block in range(COMES + 1, BLOCKS + 1)) > 0.9
    assert f" to {BLOCKS} of {BLOCKS}" in told["message"]
    assert told["advice"]
    for name, words in (
        ("report.html", "hile nothing of the run worked, the machine was busy"),
        ("summary.md", "something else used the machine"),
    ):
        assert words in (program.run_folder() / name).read_text(), name


def test_it_flips_no_verdict(disturbed: tuple[Program, Ended]) -> None:
    _, done = disturbed
    judged = {c["driver"]: c for c in done.json["contrasts"] if c["metric"] == "throughput"}
    null = [n for n in done.json["nulls"] if n["metric"] == "throughput"]

    assert judged[AGAIN]["verdict"] in {"undecided", "equivalent"}
    assert [one["contains_one"] for one in null] == [True]
    assert judged["host"]["verdict"] != "slower"  # loopback carries more than a bridge
