"""Every driver on every path of a real Docker Engine, and what is left of it: nothing."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from support.dockerd import Lab
from support.hang import HANG
from support.inventory import difference, inventory
from support.matrix import FULL, assert_every_cell_accounted_for
from support.program import (
    ONE_SECOND,
    TRICKLE,
    Program,
    assert_cleaned,
    assert_measured,
    records,
    sampled,
    wait_for,
)

from netbench.store import load

A_SECOND_LONG = TRICKLE.replace("500_000", "2_500_000")
"""Long enough to be looked at while a port is in use, on a busy machine too."""
SOCKET_GROUP = 65533
"""The group that `lab` opens its socket to."""
RUN = ("run", "--engine", "docker", "--blocks", "1", "--quiet", "--json", "--init-swarm")
SETTLED = 15.0
"""Seconds that the daemon may take to let go of what is gone."""


@pytest.fixture(scope="module")
def warm(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An engine that has made every kind of thing once: its own chains stay from then on."""
    program = lab.beside(Program(tmp_path_factory.mktemp("warm")))
    paths = "east-west,north-south"
    done = program(
        *RUN, "--drivers", "bridge:user,overlay", "--paths", paths, "--suite", program.suite()
    )
    assert done.code == 0, done.stderr
    at_rest(lab)
    return lab


def at_rest(lab: Lab) -> None:
    """Wait until the daemon has let go of what is gone: two looks a second apart see the same."""
    deadline = time.monotonic() + SETTLED
    seen = inventory(lab)
    while time.monotonic() < deadline:
        time.sleep(1)
        before, seen = seen, inventory(lab)
        if not difference(before, seen):
            return


@pytest.fixture
def unchanged(warm: Lab) -> Iterator[Lab]:
    """The engine; after the test everything on its host is as before."""
    before = inventory(warm)
    yield warm
    deadline = time.monotonic() + SETTLED
    while (left := difference(before, inventory(warm))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == {}, left


def test_every_driver_is_measured_or_closed_by_design_and_nothing_is_left(
    unchanged: Lab, tmp_path: Path
) -> None:
    program = unchanged.beside(Program(tmp_path))

    done = program(
        *(*RUN, "--drivers", FULL, "--paths", "east-west,north-south"),
        *("--suite", program.suite(A_SECOND_LONG)),
        timeout=400,
    )

    assert done.code == 0, done.stderr
    found = records(program.run_folder())
    assert_every_cell_accounted_for(found)
    facts = {(r["cell"]["driver"], r["cell"]["path"]): dict(map(tuple, r["facts"])) for r in found}
    for driver in ("bridge", "bridge:user", "container", "overlay"):
        assert facts[driver, "north-south"]["trial.published_via"] == "nat"


def test_a_published_port_from_beside_goes_through_the_proxy_and_its_time_is_told(
    unchanged: Lab, tmp_path: Path
) -> None:
    program = unchanged.beside(Program(tmp_path))

    done = program(
        *(*RUN, "--drivers", "bridge:user,host", "--paths", "hairpin"),
        *("--suite", program.suite(ONE_SECOND)),
    )

    assert done.code == 0, done.stderr
    found = sampled(records(program.run_folder()))
    assert {r["cell"]["driver"] for r in found} == {"bridge:user"}
    for facts in (dict(map(tuple, r["facts"])) for r in found):
        assert facts["trial.published_via"] == "proxy"
        assert facts["trial.proxy_cpu"] > 0.1
        assert "the proxy process used" in facts["trial.published_evidence"]


def test_connections_through_published_ports_are_counted_by_each_way(
    unchanged: Lab, tmp_path: Path
) -> None:
    """From outside by NAT, from beside by the proxy: netperf's second port is published too."""
    program = unchanged.beside(Program(tmp_path))
    suite = program.suite(
        '[probes.tcp-crr]\nrounds = 4\n[[cell]]\nprobe = "tcp-crr"\nplacement = "same"\n'
        '[probes.tcp-crr-4]\nkind = "tcp-crr"\nclients = 4\nrounds = 4\n'
        '[[cell]]\nprobe = "tcp-crr-4"\nplacement = "same"\n'
    )
    paths = ("--paths", "north-south,hairpin")
    done = program(*RUN, "--drivers", "bridge:user", *paths, "--suite", suite)

    found = records(program.run_folder())
    assert_measured(found, done)
    ways = set()
    for record in sampled(found):
        figures = {m["metric"]: m["value"] for m in record["outcome"]["measurements"]}
        clients = 4 if record["cell"]["probe"] == "tcp-crr-4" else 1
        assert figures["connect_time"] == pytest.approx(clients / figures["connections"])
        ways.add((record["cell"]["path"], dict(map(tuple, record["facts"]))["trial.published_via"]))
    assert ways == {("north-south", "nat"), ("hairpin", "proxy")}


def test_whether_mtu_matters_is_answered_with_both_in_the_facts(
    unchanged: Lab, tmp_path: Path
) -> None:
    program = unchanged.beside(Program(tmp_path))
    wide = "bridge:user@mtu=9000"

    done = program(
        *(*RUN, "--drivers", f"bridge:user,{wide}", "--suite", program.suite(ONE_SECOND))
    )

    assert done.code == 0, done.stderr
    mtus = {
        r["cell"]["driver"]: {hop["mtu"] for hop in r["path"]["hops"]}
        for r in records(program.run_folder())
    }
    assert mtus == {"bridge:user": {1500}, wide: {9000}}
    (contrast,) = [c for c in done.json["contrasts"] if c["metric"] == "throughput"]
    assert (contrast["driver"], contrast["baseline"]) == (wide, "bridge:user")


def test_a_user_of_the_socket_alone_gets_lan_and_overlay_too(
    unchanged: Lab, plain_user: Callable[..., Program]
) -> None:
    program = unchanged.beside(plain_user(group=SOCKET_GROUP))

    done = program(
        *(*RUN, "--drivers", "host,bridge,macvlan,overlay", "--paths", "east-west,north-south"),
        *("--suite", program.suite(TRICKLE)),
    )

    assert done.code == 0, done.stderr
    found = records(program.run_folder())
    assert all(r["outcome"]["kind"] == "sample" for r in found)
    assert {r["path"]["reader"] for r in found} == {"engine"}
    assert all(r["path"]["held"] for r in found)


def seen(api: docker.APIClient, folder: Path, stage: str) -> bool:
    """Tell whether a run has come to a stage."""
    ours = {"label": "netbench.run"}
    names = [c["Names"][0] for c in api.containers(all=True, filters=ours)]
    reports = folder / "reports"
    done = [r for run in reports.iterdir() for r in records(run)] if reports.exists() else []
    match stage:
        case "preparing":
            return any("-host-" in name for name in names)
        case "the LAN":
            return any("-lan-" in name for name in names)
        case "bringing pairs up":
            return bool(api.networks(filters=ours))
        case "measuring":
            return len(done) >= 1
        case _:
            return len(done) >= EVERY_RECORD


EVERY_RECORD = 8
"""Records of three drivers and the baseline's second arm on two paths."""


@pytest.mark.parametrize(
    "stage", ["preparing", "the LAN", "bringing pairs up", "measuring", "taking down"]
)
def test_ctrl_c_in_any_stage_leaves_nothing(
    stage: str, unchanged: Lab, api: docker.APIClient, tmp_path: Path
) -> None:
    program = unchanged.beside(Program(tmp_path))
    process = program.popen(
        *(*RUN, "--drivers", "bridge:user,macvlan,overlay", "--paths", "east-west,north-south"),
        *("--suite", program.suite(TRICKLE)),
    )
    try:
        wait_for(lambda: seen(api, tmp_path, stage) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    assert process.returncode in ({0, 130} if stage == "taking down" else {130})


def test_clean_finds_lan_and_swarm_of_a_killed_run(unchanged: Lab, tmp_path: Path) -> None:
    program = unchanged.beside(Program(tmp_path))
    process = program.popen(
        *(*RUN, "--drivers", "overlay,macvlan", "--paths", "east-west,north-south"),
        *("--suite", program.suite()),
    )
    wait_for(lambda: any((tmp_path / "reports").glob("*/raw/*")), within=90)
    process.kill()
    process.communicate()

    done = program("clean", "--json")

    assert_cleaned(done)
    run = load(program.run_folder()).info.id
    found = {(row["kind"], row["action"]) for row in done.json["clean"] if row["run"] == run}
    assert {"container", "network", "swarm"} <= {kind for kind, _ in found}
    assert {action for kind, action in found if kind != "image"} == {"removed"}, found
