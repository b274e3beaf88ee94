"""CPU time of real containers: whose it is, and that a cost comes of it with an interval."""

import re
from pathlib import Path

import pytest
from support.docker_parts import make
from support.dockerd import Lab
from support.program import Program

from netbench.engines.docker import DockerEngine
from netbench.record import Record, Sample
from netbench.spec import Attach
from netbench.store import load
from netbench.system.cgroups import group_of, usage

DRIVERS = "host,bridge,bridge:user,container,macvlan"
METRIC = "cpu_per_byte"
SUITE = """
[[cell]]
probe = "tcp-throughput"
placement = "none"
"""


def samples(folder: Path) -> list[tuple[Record, Sample]]:
    found = load(folder).records()
    return [(one, one.outcome) for one in found if isinstance(one.outcome, Sample)]


def test_a_containers_group_is_its_own_and_counts_what_runs_in_it(engine: DockerEngine) -> None:
    busy, idle = make(engine, name="busy"), make(engine, name="idle")
    groups = [group_of(one.pid) for one in (busy, idle)]
    before = [usage(group).total for group in groups]
    engine.run(busy, ("timeout", "1", "sh", "-c", "while :; do :; done"), timeout=20)
    used = [usage(group).total - then for group, then in zip(groups, before, strict=True)]

    assert busy.id in str(groups[0].folder)
    assert idle.id in str(groups[1].folder)
    assert used[0] > 0.1
    assert used[1] < 0.05


def test_a_tool_is_seen_as_the_process_that_it_is(engine: DockerEngine) -> None:
    box = make(engine, Attach.NONE)
    tool = engine.start(box, ("sleep", "60"), cpu=None, limit=60)
    pid = tool.pid()
    tool.signal("KILL")
    tool.wait(10)

    assert pid is not None
    assert tool.pid() is None


@pytest.fixture(scope="module")
def measured(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A block of every driver on both paths."""
    folder = tmp_path_factory.mktemp("cost")
    program = lab.beside(Program(folder))
    where = ("--drivers", DRIVERS, "--paths", "east-west,north-south", "--blocks", "1")
    how = ("--engine", "docker", "--suite", program.suite(SUITE), "--json")
    ended = program("run", *where, *how, timeout=400)
    assert ended.code in {0, 3}, ended.stderr
    return program


def test_both_ends_of_every_driver_are_read_by_their_cgroups(measured: Program) -> None:
    """On a machine too busy for a sample they still are."""
    found = [r for r in load(measured.run_folder()).records() if "trial.busy_user" in dict(r.facts)]

    assert {record.cell.driver for record in found} >= {"host", "bridge", "container"}
    for record in found:
        facts = dict(record.facts)
        above, client, server = (
            facts[f"trial.{name}"] for name in ("busy_above_idle", "cgroup_client", "cgroup_server")
        )
        assert facts["trial.cgroup_source"] == "cgroup", record.cell
        assert isinstance(above, float)
        assert isinstance(client, float)
        assert isinstance(server, float)
        if isinstance(record.outcome, Sample):
            assert min(client, server) > 0, record.cell
        assert facts["trial.unattributed"] == above - client - server


@pytest.mark.alone
def test_every_cost_is_in_the_reports(measured: Program) -> None:
    """Beside a busy neighbour a trial may have none."""
    page = (measured.run_folder() / "report.html").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    found = samples(measured.run_folder())
    priced = {r.cell for r, sample in found if sample.value(METRIC) and not r.replica}

    assert priced
    for cell in priced:
        _, _, figure = words.partition(f"CPU time per byte, {cell.probe} unpinned: ")
        _, _, table = figure.partition("The data of this figure ")
        row = rf"(?<!\S){re.escape(cell.driver)} \d+ [\d.]+ [pnµ]s "
        assert re.search(row, table), cell
