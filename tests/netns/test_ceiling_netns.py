"""What the machine can do at most, measured on this one."""

import os

import pytest
from support.program import ONE_SECOND, Program
from support.require import require_or_skip

from netbench.record import Absent
from netbench.runner.ceiling import CACHED, beyond_caches
from netbench.sentinel import Sentinel
from netbench.store import load

CPUS = sorted(os.sched_getaffinity(0))


def test_a_copy_within_the_caches_is_no_slower_than_one_beyond_them() -> None:
    large = beyond_caches(CPUS[-1])
    with Sentinel() as sentinel:
        small = [sentinel.copy(CPUS[-1], CACHED, 0.02) for _ in range(5)]
        big = [sentinel.copy(CPUS[-1], large, 0.02) for _ in range(5)]

    assert 32 * 1024**2 <= large <= 128 * 1024**2
    figures = [one for one in (*small, *big) if not isinstance(one, Absent)]
    assert len(figures) == 10
    assert max(figures[:5]) > max(figures[5:]) > 1e9  # bit/s: any machine that boots


def test_a_copy_on_a_cpu_that_is_not_there_is_a_reason_and_readings_go_on() -> None:
    with Sentinel() as sentinel:
        failed = sentinel.copy(4095, CACHED, 0.01)

        assert isinstance(failed, Absent)
        assert "CPU 4095" in failed.reason
        assert not isinstance(sentinel.read(CPUS[0], CPUS[-1]), Absent)
        assert not isinstance(sentinel.copy(CPUS[0], CACHED, 0.01), Absent)


@pytest.mark.parametrize(
    ("drivers", "measured"),
    [("host,bridge", False), ("container,bridge", True)],
)
def test_loopback_is_measured_where_no_host_arm_shows_it(
    program: Program, drivers: str, measured: bool
) -> None:
    if len(CPUS) < 2:
        require_or_skip("netns", "one CPU: no cell across two")
    argv = ("run", "--drivers", drivers, "--blocks", "1", "--seed", "3", "--json")
    done = program(*argv, "--suite", program.suite(ONE_SECOND))

    assert done.code == 0, done.stderr
    facts = dict(load(program.run_folder()).info.facts)
    (ceiling,) = done.json["ceilings"]
    (loopback,) = ceiling["loopbacks"]
    assert (ceiling["placement"], ceiling["why"]) == ("cross", "")
    assert ceiling["copy"] == facts["ceiling.cross.copy"] > facts["ceiling.cross.copy_memory"]
    assert ("ceiling.cross.loopback" in facts) == measured
    assert loopback["source"].startswith("measured once" if measured else "the host driver's")
    others = set(drivers.split(",")) - {"host"}
    reached = {row["driver"] for row in loopback["efficiencies"]}
    assert reached == others
    records = list(load(program.run_folder()).records())
    # What was measured once is no trial: the baseline's arm of that run is not among the records.
    assert {record.cell.driver for record in records} == set(drivers.split(","))
    assert min(record.number for record in records) == 1
    shown = program("report", str(program.run_folder()), "--verbose").stdout
    assert "Ceiling on two cores: a CPU copies memory at" in shown
