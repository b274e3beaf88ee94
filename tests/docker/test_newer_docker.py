"""A newer Docker Engine beside the machine's own: what is measured there, and what differs."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from support.dockerd import Lab, newer_engines
from support.hang import HANG
from support.matrix import FULL, assert_every_cell_accounted_for, outcomes
from support.program import ONE_SECOND, TRICKLE, Program, assert_cleaned, records, wait_for
from support.require import require_or_skip

from netbench.engines.docker import DockerEngine
from netbench.plan.drivers import driver_named
from netbench.spec import Path as TrafficPath
from netbench.store import load
from netbench.verify.places import SOURCES

RUN = ("run", "--engine", "docker", "--blocks", "1", "--quiet", "--json")
OURS = {"label": "netbench.run"}
HYBRID = Path("/sys/fs/cgroup/unified")
"""Where version 2 of cgroups is beside version 1, which crun refuses to work with."""
RUNSC = """#!/bin/sh
# This gVisor takes a file that newer kernels have in every network namespace for the mark of the
# machine's own, in which it does not run: it must not see it.
exec unshare --mount --propagation slave sh -c 'mount -t tmpfs tmpfs /proc/sys/net && exec "$@"' \\
    sh {folder}/usr/bin/runsc "$@"
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"
TABLE = re.compile(r"(?<=<!-- newer -->\n).*?(?=<!-- /newer -->)", re.DOTALL)


def runtimes(lab: Lab) -> tuple[str, ...]:
    """What tells a daemon of its runtimes."""
    own = {"crun": "/usr/bin/crun", "runsc": lab.folder / "runsc"}
    return tuple(word for name, at in own.items() for word in ("--add-runtime", f"{name}={at}"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if shutil.which("crun") is None:
        require_or_skip("newer", "no crun; install: apt-get install crun")
    engines, folder = newer_engines(), tmp_path_factory.mktemp("newer")
    runsc = folder / "runsc"
    runsc.write_text(RUNSC.format(folder=engines))
    runsc.chmod(0o755)
    lab = Lab.start(None, *runtimes(Lab(folder)), folder=folder, engines=engines)
    if HYBRID.exists():
        inside = ("nsenter", f"--mount=/proc/{lab.holder}/ns/mnt", "umount", str(HYBRID))
        subprocess.run(inside, check=True)
    yield lab
    lab.stop()


@pytest.fixture
def program(newer: Lab, tmp_path: Path) -> Iterator[Program]:
    """netbench beside that engine; nothing of its runs is left at the end."""
    yield newer.beside(Program(tmp_path))
    with docker.APIClient(base_url=f"unix://{newer.socket}") as api:
        left = (*api.containers(all=True, filters=OURS), *api.networks(filters=OURS))
    assert left == ()
    assert " nb" not in newer.inside("ip", "-o", "link", "show")


def measured(program: Program, drivers: str, cell: str = TRICKLE, *more: str) -> Any:
    """Run drivers once on both paths, return the records by driver and path."""
    paths = ("--paths", "east-west,north-south")
    done = program(*RUN, "--drivers", drivers, *paths, *more, "--suite", program.suite(cell))

    assert done.code in {0, 3}, done.stderr
    return outcomes(records(program.run_folder()))


def facts(program: Program) -> dict[str, Any]:
    return dict(load(program.run_folder()).info.facts)


def test_every_driver_is_measured_or_closed_by_design(program: Program) -> None:
    found = measured(program, FULL, TRICKLE, "--init-swarm")

    assert_every_cell_accounted_for([one for cell in found.values() for one in cell])
    assert int(facts(program)["engine.version"].partition(".")[0]) >= 28


def test_runtimes_are_a_factor_beside_the_driver(program: Program) -> None:
    drivers = "bridge:user,bridge:user@runtime=crun,container@runtime=crun,host@runtime=crun"
    found = measured(program, f"{drivers},bridge@runtime=runsc,bridge@runtime=kata")

    said = {
        driver: {record["outcome"].get("reason") for record in rows}
        for (driver, _), rows in found.items()
    }
    for driver in drivers.split(","):
        assert said[driver] == {None}, said[driver]
    (own,), (none,) = said["bridge@runtime=runsc"], said["bridge@runtime=kata"]
    assert "the runtime runsc" in own
    assert "a kernel of its own" in own
    assert "the engine has no runtime kata; it has crun, " in none
    assert re.search(r"crun [0-9.]+, .*runc [0-9.]+", facts(program)["engine.runtimes"])


def test_gateway_modes_are_measured_by_the_way_in_that_each_has(program: Program) -> None:
    user, routed = "bridge:user", "bridge:user@gateway=routed"
    isolated, six = "bridge:user@gateway=isolated", "bridge:user@family=6+gateway=routed"
    found = measured(program, f"{user},{routed},{six},{isolated}", ONE_SECOND)

    (shut,) = found.pop((isolated, "north-south"))
    assert shut["outcome"]["by_design"]
    ways: dict[str, set[str]] = {}
    for (driver, path), rows in found.items():
        for record in rows:
            assert record["outcome"]["kind"] == "sample", record["outcome"]
            assert record["path"]["held"]
            if path == "north-south":
                via = dict(map(tuple, record["facts"]))["trial.published_via"]
                ways.setdefault(driver, set()).add(via)
    assert ways == {user: {"nat"}, routed: {"straight"}, six: {"straight"}}


def test_gateway_modes_isolate_as_they_promise(program: Program) -> None:
    names = [f"bridge:user@gateway={m}" for m in ("nat-unprotected", "routed", "isolated")]
    done = program("verify", "--engine", "docker", "--drivers", ",".join(names), "--json")

    assert done.code == 0, done.stderr
    inside = {
        (row["driver"], row["measured"])
        for row in done.json["rows"]
        if (row["from"], row["to"]) == ("LAN", "pair")
    }
    assert inside == {(names[0], "reach"), (names[1], "no-reach"), (names[2], "no-reach")}
    kept = [check for check in done.json["promises"] if check["driver"] == names[2]]
    assert "the bridge has no address of the host's" in {check["promise"] for check in kept}


def test_an_older_engine_skips_what_it_has_not_before_anything_is_made(
    engine: DockerEngine,
) -> None:
    """The machine's own, if that is older."""
    version = str(engine.facts()["engine.version"])
    if int(version.partition(".")[0]) >= 27:
        pytest.skip(f"the machine's own engine is new enough: {version}")
    recipes = {
        mode: driver_named(f"bridge:user@gateway={mode}").recipe
        for mode in ("nat", "nat-unprotected", "routed", "isolated")
    }
    said = {mode: engine.unsupported(one, TrafficPath.EAST_WEST) for mode, one in recipes.items()}

    since = {"routed": 27}
    assert said == {
        mode: f"gateway={mode} needs Docker Engine {since.get(mode, 28)} or later, "
        f"and this one is {version}"
        for mode in recipes
    }


def test_what_differs_from_the_machines_own_engine_is_as_documented(
    program: Program, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verify = ("verify", "--engine", "docker", "--json", "--drivers")
    own = lab.beside(Program(tmp_path_factory.mktemp("own")))
    older = own(*verify, "bridge:user").json
    now = program(*verify, "bridge,bridge:user,container").json

    assert (now["mismatches"], now["problems"], now["skipped"]) == (0, [], [])
    documented, found = _between(DOCUMENT.read_text()), _table(older, now)
    if documented.splitlines()[0] != found.splitlines()[0]:
        pytest.skip(f"documented of others than these: {found.splitlines()[0]}")
    assert documented == found


def _between(text: str) -> str:
    found = TABLE.search(text)
    assert found, f"{DOCUMENT} has no such table"
    return found[0]


def _table(older: Any, now: Any) -> str:
    """Return what differs of a user-defined bridge between two engines, as Markdown."""
    versions = [each["engine_version"].split(".") for each in (older, now)]
    heads = [f"Docker Engine {'.'.join(version[:2])}" for version in versions]
    rows = [["from", "to", "family", *heads], ["---"] * 5]
    seen = [_seen(each) for each in (older, now)]
    for source in SOURCES:
        for (start, *rest), then in seen[0].items():
            after = seen[1][start, *rest]
            if start == source.value and then != after:
                rows.append([start, rest[0], f"IPv{rest[1]}", then, after])
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _seen(document: Any) -> dict[Any, str]:
    """Return what came of a container's connects, by places and family."""
    told = {"own": "reached, seen at the client's address", "host": "reached, seen at the host's"}
    return {
        (row["from"], row["to"], row["family"]): told.get(row["client_is"], row["measured"])
        for row in document["rows"]
        if (row["driver"], row["protocol"]) == ("bridge:user", "tcp")
        and row["measured"] != "skip"
        and row["from"] != "pair"
    }


def begun(newer: Lab) -> Callable[[], bool]:
    """Tell whether both ends of every arm are up."""
    api = docker.APIClient(base_url=f"unix://{newer.socket}")

    def all_up() -> bool:
        names = [one["Names"][0] for one in api.containers(filters=OURS)]
        return sum(re.search(r"-b1-.*-[cs]-", name) is not None for name in names) >= 6

    return all_up


@pytest.mark.parametrize("hurt", ["Ctrl-C", "the daemon is killed"])
def test_faults_in_the_middle_end_in_good_order(hurt: str, newer: Lab, program: Program) -> None:
    suite = program.suite(TRICKLE.replace("500_000", "5_000_000"))
    drivers = ("--drivers", "host,bridge:user", "--paths", "east-west,north-south")
    process = program.popen(*RUN, *drivers, "--suite", suite)
    try:
        wait_for(begun(newer), within=60)
        if hurt == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            newer.kill()
        _, said = process.communicate(timeout=HANG)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    finally:
        if hurt != "Ctrl-C":
            newer.restart(*runtimes(newer))

    assert "Traceback" not in said
    assert process.returncode == (130 if hurt == "Ctrl-C" else 3), said
    assert_cleaned(program("clean"))
