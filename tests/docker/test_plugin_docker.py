"""`plugin:NAME` with a real network plug-in of the legacy protocol, tests/support/netplugin.py."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.types import IPAMConfig, IPAMPool
from support import netplugin
from support.dockerd import Lab
from support.hang import SOON
from support.program import TRICKLE, Program, records, wait_for

NAME = "netbenchtest"
LABEL = "netbench.run"


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return lab.beside(Program(tmp_path))


@pytest.fixture(scope="module")
def serving(lab: Lab) -> Iterator[str]:
    """Run the plug-in beside the engine, in its network and mount namespaces; give its name."""
    inside = ("nsenter", "--net", "--mount", "--target", str(lab.holder))
    script = str(Path(netplugin.__file__))
    process = subprocess.Popen(
        (*inside, sys.executable, script, NAME), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    socket = Path(f"/proc/{lab.holder}/root{netplugin.FOLDER}/{NAME}.sock")
    try:
        wait_for(lambda: socket.exists() or process.poll() is not None, within=SOON)
        assert process.poll() is None, process.communicate()[1]
        yield NAME
    finally:
        process.kill()
        process.communicate(timeout=10)
        socket.unlink(missing_ok=True)


@pytest.fixture
def plugin(serving: str, api: docker.APIClient) -> Iterator[str]:
    """The plug-in, in use: an engine lists one of this protocol once it has a network of it."""
    pool = IPAMPool(subnet="198.19.255.0/24", gateway="198.19.255.1")
    network = api.create_network("in-use", serving, ipam=IPAMConfig(pool_configs=[pool]))["Id"]
    yield serving
    api.remove_network(network)


def links(lab: Lab) -> list[str]:
    return sorted(line.split()[0] for line in lab.inside("ip", "-br", "link").splitlines())


def labelled(api: docker.APIClient) -> list[str]:
    filters = {"label": LABEL}
    found = (*api.containers(all=True, filters=filters), *api.networks(filters=filters))
    return [thing["Id"] for thing in found]


def run(program: Program, drivers: str, *more: str) -> tuple[str, ...]:
    return (
        *("run", "--engine", "docker", "--drivers", drivers, "--blocks", "1"),
        *("--suite", program.suite(TRICKLE), "--json", *more),
    )


def test_a_plugin_is_measured_with_the_path_as_it_is_found(
    program: Program, plugin: str, lab: Lab, api: docker.APIClient
) -> None:
    before = links(lab)

    done = program(*run(program, f"host,plugin:{plugin}"))

    assert done.code == 0, done.stderr
    found = [r for r in records(program.run_folder()) if r["cell"]["driver"] == f"plugin:{plugin}"]
    assert found
    for record in found:
        assert record["outcome"]["kind"] == "sample"
        assert record["path"]["held"]
        hops = [(hop["namespace"], hop["link"], hop["kind"]) for hop in record["path"]["hops"]]
        assert hops == [("client", "eth0", "veth"), ("server", "eth0", "veth")]
        assert all(check["held"] for check in record["promises"])
    assert labelled(api) == []
    assert links(lab) == before


def test_a_plugin_that_the_engine_has_not_is_told_and_nothing_is_made(
    program: Program, lab: Lab, api: docker.APIClient
) -> None:
    before = links(lab)

    done = program(*run(program, "host,plugin:nope"))

    assert done.code == 3, done.stderr
    missing = [r for r in records(program.run_folder()) if r["cell"]["driver"] == "plugin:nope"]
    assert [r["outcome"]["kind"] for r in missing] == ["skip"]
    assert not missing[0]["outcome"]["by_design"]
    assert "nope" in missing[0]["outcome"]["reason"]
    assert labelled(api) == []
    assert links(lab) == before
