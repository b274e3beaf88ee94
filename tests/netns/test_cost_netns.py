"""CPU time of real endpoints on the kernel that runs the tests."""

import html
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.hang import SOON
from support.program import Program, wait_for
from support.require import require_or_skip

from netbench.engines.base import Endpoint
from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.owner import leftovers, remove_leftover
from netbench.facts.cpu_time import TICK
from netbench.record import Absent, FactValue, Record, Sample
from netbench.runner.machine import MachineMeter, TrialEnd
from netbench.spec import Attach, Role
from netbench.store import load
from netbench.system.cgroups import group_of, usage

COSTS = ("cpu_per_byte", "cpu_per_transaction")
BUSY = "while :; do :; done"
"""Ends with its endpoint at the latest."""
SUITE = """
[[cell]]
probe = "tcp-throughput"
placement = "none"
[[cell]]
probe = "tcp-rr"
placement = "none"
"""


@pytest.fixture
def may_make_groups() -> None:
    """We may make cgroups beneath our own."""
    probe = group_of("self").folder / f"netbench-test-{secrets.token_hex(4)}"
    try:
        probe.mkdir()
    except OSError as exc:
        require_or_skip("cgroups", f"no cgroup can be made: {exc}")
    probe.rmdir()


@pytest.fixture
def pair(engine: NetnsEngine) -> tuple[Endpoint, Endpoint]:
    one, other = (
        engine.create_endpoint(name, role, Attach.DEFAULT, network=None, peer=None, cpus=())
        for name, role in (("c", Role.CLIENT), ("s", Role.SERVER))
    )
    return one, other


def measured(
    engine: NetnsEngine, client: TrialEnd, server: TrialEnd, seconds: float = 0.5
) -> dict[str, FactValue]:
    meter = MachineMeter(engine)
    meter.rest()
    window = meter.windows((client, server))
    window.open()
    time.sleep(seconds)
    window.close()
    return dict(window.end())


@pytest.mark.usefixtures("may_make_groups")
def test_a_tool_is_in_its_endpoints_group_from_its_first_instruction(
    engine: NetnsEngine, pair: tuple[Endpoint, Endpoint]
) -> None:
    client, server = pair
    seen = [
        engine.run(end, ("cat", "/proc/self/cgroup"), timeout=10).stdout for end in (client, server)
    ]
    groups = [group_of(end.pid) for end in (client, server)]

    assert groups[0] != groups[1]
    for text, group, end in zip(seen, groups, pair, strict=True):
        assert f"/{end.pid}\n" in text
        assert group.folder.name == str(end.pid)


@pytest.mark.usefixtures("may_make_groups")
def test_work_is_charged_to_the_end_that_did_it(
    engine: NetnsEngine, pair: tuple[Endpoint, Endpoint]
) -> None:
    """A loop of a shell: whatever else runs on the machine, the other end did nothing."""
    client, server = pair
    before = [usage(group_of(end.pid)).total for end in pair]
    tool = engine.start(client, ("sh", "-c", BUSY), cpu=None, limit=30)
    wait_for(lambda: usage(group_of(client.pid)).total > before[0] + 0.2, within=25.0)
    tool.signal("KILL")
    tool.wait(SOON)

    assert usage(group_of(server.pid)).total - before[1] < 0.1


@pytest.mark.usefixtures("may_make_groups")
def test_the_parts_add_up(engine: NetnsEngine, pair: tuple[Endpoint, Endpoint]) -> None:
    client, server = pair
    tools = [engine.start(end, ("sh", "-c", BUSY), cpu=None, limit=30) for end in pair]
    found = measured(engine, TrialEnd(client, (tools[0],)), TrialEnd(server, (tools[1],)))
    for tool in tools:
        tool.signal("KILL")
        tool.wait(SOON)

    assert found["trial.cgroup_source"] == "cgroup"
    parts = [found[f"trial.{name}"] for name in ("busy_above_idle", "cgroup_client")]
    above, one, other = (*parts, found["trial.cgroup_server"])
    assert isinstance(above, float)
    assert isinstance(one, float)
    assert isinstance(other, float)
    assert found["trial.unattributed"] == above - one - other
    assert one > 0
    assert other > 0
    kinds = ("user", "nice", "system", "irq", "softirq")
    busy = sum(float(str(found[f"trial.busy_{kind}"])) for kind in kinds)
    assert found["trial.busy_above_idle"] == pytest.approx(
        busy - float(str(found["trial.idle_busy"])), abs=1e-9
    )
    assert found["trial.cost_resolution"] == pytest.approx(
        TICK / float(str(found["trial.cost_window"]))
    )


def test_without_a_group_the_tools_themselves_are_read_and_that_is_said(
    engine: NetnsEngine, pair: tuple[Endpoint, Endpoint]
) -> None:
    """One endpoint for both ends: no cgroup tells them apart."""
    client, _ = pair
    busy = engine.start(client, ("sh", "-c", BUSY), cpu=None, limit=30)
    idle = engine.start(client, ("sleep", "30"), cpu=None, limit=30)
    wait_for(lambda: busy.pid() is not None and idle.pid() is not None)
    found = measured(engine, TrialEnd(client, (busy,)), TrialEnd(client, (idle,)))
    for tool in (busy, idle):
        tool.signal("KILL")
        tool.wait(SOON)

    assert found["trial.cgroup_source"] == "processes"
    assert isinstance(found["trial.cgroup_client"], float)
    assert found["trial.cgroup_client"] > 0
    assert found["trial.cgroup_server"] == 0.0
    assert isinstance(found["trial.cgroup_client_system"], Absent)


@pytest.mark.usefixtures("may_make_groups")
def test_groups_go_with_their_endpoints_and_the_last_with_the_engine(
    open_engine: Callable[[], NetnsEngine], run_id: str
) -> None:
    engine = open_engine()
    box = engine.create_endpoint("box", Role.CLIENT, Attach.NONE, network=None, peer=None, cpus=())
    group = group_of(box.pid).folder
    tool = engine.start(box, ("sleep", "1000"), cpu=None, limit=60)
    of_run = leftovers(run_id, "cgroup")
    engine.remove_endpoint(box)
    tool.wait(SOON)

    assert not group.exists()
    assert of_run
    assert all(run.live and Path(run.id).is_dir() for run in of_run)
    engine.close()
    assert leftovers(run_id, "cgroup") == ()


LEFT = """
import sys, time
from netbench.engines.netns.engine import NetnsEngine
from netbench.spec import Attach, Role

engine = NetnsEngine(sys.argv[1], "asked for")
box = engine.create_endpoint("a", Role.CLIENT, Attach.NONE, network=None, peer=None, cpus=())
engine.start(box, ("sleep", "1000"), cpu=None, limit=60)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def left(namespaces: None, run_id: str) -> Iterator[str]:
    """A run that was killed, whose groups are left."""
    del namespaces
    script = subprocess.Popen(
        (sys.executable, "-c", LEFT, run_id),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert script.stdout
    assert script.stdout.readline() == "up\n"
    script.send_signal(signal.SIGKILL)
    script.communicate()
    yield run_id
    for thing in leftovers(run_id, "cgroup"):
        with suppress(OSError):
            remove_leftover(thing)


@pytest.mark.usefixtures("may_make_groups")
@pytest.mark.cleans
def test_clean_finds_the_groups_of_a_killed_run(left: str, program: Program) -> None:
    found = leftovers(left, "cgroup")
    assert found
    assert not any(group.live for group in found)

    listed = program("clean", "--dry-run", "--json").json["clean"]
    cleaned = program("clean", "--json").json["clean"]

    for rows, action in ((listed, "would go"), (cleaned, "removed")):
        own = [row for row in rows if row["run"] == left and row["kind"] == "cgroup"]
        assert [row["action"] for row in own] == [action] * len(found)
    assert leftovers(left, "cgroup") == ()
    assert not any(Path(group.id).exists() for group in found)


def samples(records: list[Record]) -> list[tuple[Record, Sample]]:
    return [(record, record.outcome) for record in records if isinstance(record.outcome, Sample)]


def page_has_cost(found: list[tuple[Record, Sample]]) -> bool:
    """Tell whether the page has a cost: it shows no arm that is the baseline's second."""
    shown = [outcome for record, outcome in found if not record.replica]
    return any(outcome.value(metric) for outcome in shown for metric in COSTS)


@pytest.mark.usefixtures("may_make_groups")
def test_a_real_run_costs_every_driver_on_every_path(program: Program) -> None:
    drivers = "host,bridge,container,macvlan"
    paths = "east-west,north-south"
    where = ("--drivers", drivers, "--paths", paths, "--blocks", "1", "--pin", "auto")
    ended = program("run", *where, "--suite", program.suite(SUITE), "--json")
    assert ended.code in {0, 3}, ended.stderr
    run = load(program.run_folder())
    found = samples(list(run.records()))

    assert {record.cell.driver for record, _ in found} >= {"host", "bridge", "container"}
    assert {record.cell.path.value for record, _ in found} == set(paths.split(","))
    for record, outcome in found:
        facts = dict(record.facts)
        assert facts["trial.cgroup_source"] == "cgroup"
        above, client, server = (
            facts[f"trial.{name}"] for name in ("busy_above_idle", "cgroup_client", "cgroup_server")
        )
        assert isinstance(above, float)
        assert isinstance(client, float)
        assert isinstance(server, float)
        assert min(client, server) > 0, record.cell
        assert facts["trial.unattributed"] == above - client - server
        metric = {"tcp-throughput": "cpu_per_byte", "tcp-rr": "cpu_per_transaction"}
        priced = outcome.value(metric[record.cell.probe]) is not None
        assert priced == (above > facts["trial.cost_resolution"])
    assert {"kernel.tick", "kernel.cpu_accounting"} <= set(dict(run.info.facts))
    costs = {metric for _, outcome in found for metric in COSTS if outcome.value(metric)}
    cells = {cell["metric"] for cell in ended.json["cells"] if cell["trials"]}
    assert costs == cells & {*COSTS}, "beside busy neighbours there may be none"
    page = (program.run_folder() / "report.html").read_text()
    assert ('id="cost"' in page) == page_has_cost(found)
    assert leftovers(run.info.id, "cgroup") == ()


def test_an_ordinary_user_gets_the_tools_own_time_and_is_told(
    rootless: Callable[..., Program],
) -> None:
    program = rootless()
    where = ("--drivers", "host,bridge", "--blocks", "1", "--engine", "netns")
    ended = program("run", *where, "--suite", program.suite(SUITE), "--json")
    assert ended.code in {0, 3}, ended.stderr
    found = samples(list(load(program.run_folder()).records()))

    assert found
    for record, _ in found:
        facts = dict(record.facts)
        assert facts["trial.cgroup_source"] == "processes"
        client = facts["trial.cgroup_client"]
        assert isinstance(client, float)
        assert client > 0
    page = html.unescape((program.run_folder() / "report.html").read_text())
    # Beside busy neighbours there may be no cost at all, or of the baseline's other arm alone.
    assert ("the tools' own processes" in page) == page_has_cost(found)
