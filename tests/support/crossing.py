"""What crosses the wire of two engines: networks with endpoints on both sides, loads, replies."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError
from support.hang import HANG
from support.program import wait_for
from support.two_engines import WIRE, Side, TwoEngines

CLIENT, SERVER = "10.77.0.10", "10.77.0.20"
LAN = {"a": "203.0.113.10", "b": "203.0.113.20"}
"""Of endpoints that are neighbours on the wire."""
MEGABYTE = 1_000_000
RECOVERS = 300
"""Seconds: after a cut of four a swarm may take the other node for dead, and the overlay carries
nothing for up to a minute after the wire is whole again."""


@contextmanager
def overlay(two: TwoEngines, *options: str) -> Iterator[str]:
    """A swarm's network with an endpoint on either side that knows of the other; its id.

    Where the engines' gossip does not come up, the swarm is formed anew.
    """
    for within in (30, 30, RECOVERS):
        with attached(two, *options) as network:
            try:
                wait_for(lambda: both_know(two, network), within)
            except AssertionError as error:
                if within == RECOVERS:
                    explain(error, two, network)
                    raise
                continue
            yield network
            return


@contextmanager
def attached(two: TwoEngines, *options: str) -> Iterator[str]:
    """A swarm's network with an endpoint on either side; its id."""
    with two.swarm():
        made = ("--driver", "overlay", "--attachable", "--subnet", "10.77.0.0/24", *options)
        network = two.a.docker("network", "create", *made, "net")
        try:
            two.b.endpoint("server", "net", "--ip", SERVER)
            two.a.endpoint("client", "net", "--ip", CLIENT)
            yield network
        finally:
            two.a.docker("rm", "--force", "client")
            two.b.docker("rm", "--force", "server")
            wait_for(lambda: removed(two, network), within=RECOVERS)


def both_know(two: TwoEngines, network: str) -> bool:
    """Tell whether either engine sends what is for the other's endpoint to the other."""
    return two.b.address in known(two.a, network) and two.a.address in known(two.b, network)


def known(side: Side, network: str) -> str:
    """Where the engine of a side sends what is for endpoints of an overlay network elsewhere."""
    return side.inside(*side.sandbox(network), "bridge", "fdb", "show", "dev", "vxlan0")


def carrying(two: TwoEngines, network: str) -> None:
    """Wait until the endpoints of an overlay network reach each other."""
    try:
        wait_for(lambda: replies(two.a, SERVER, "client"), within=RECOVERS)
    except AssertionError as error:
        explain(error, two, network)
        raise


def explain(error: AssertionError, two: TwoEngines, network: str) -> None:
    """Note what either side knows of an overlay network."""
    for side in two.sides:
        error.add_note(f"{side.name}: {known(side, network)}")
        error.add_note(side.inside(*side.sandbox(network), "ip", "neigh"))
        error.add_note(side.inside("ip", "-s", "link", "show", WIRE))
        error.add_note((side.folder / "dockerd.log").read_text()[-3000:])


def removed(two: TwoEngines, network: str) -> bool:
    """Tell whether the manager lets a network go: it may not know yet that all have left it."""
    with two.a.api() as api:
        try:
            api.remove_network(network)
        except APIError as error:
            if "is in use by task" not in str(error.explanation):
                raise
            return False
    return True


@contextmanager
def endpoints(two: TwoEngines, network: str, *serving: str) -> Iterator[None]:
    """A `client` on A and a `server` on B, each attached in the same way."""
    try:
        two.b.endpoint("server", network, *serving)
        two.a.endpoint("client", network)
        yield
    finally:
        for side, name in ((two.a, "client"), (two.b, "server")):
            side.docker("rm", "--force", name)


@contextmanager
def neighbours(two: TwoEngines, driver: str, *options: str) -> Iterator[None]:
    """A `client` on either side, each attached to the wire itself, at the addresses of `LAN`."""
    parent = ("--opt", f"parent={WIRE}", "--subnet", "203.0.113.0/24")
    try:
        for side in two.sides:
            side.docker("network", "create", "--driver", driver, *parent, *options, "lan")
            side.endpoint("client", "lan", "--ip", LAN[side.name])
        yield
    finally:
        for side in two.sides:
            side.docker("rm", "--force", "client")
            side.docker("network", "rm", "lan")


def replies(side: Side, address: str, name: str | None = None) -> bool:
    """Tell whether one ping comes back, of a container or of the machine."""
    ping = ("busybox", "ping", "-c", "1", "-W", "1", address)
    before = (
        side.before if name is None else ("docker", "-H", f"unix://{side.socket}", "exec", name)
    )
    done = subprocess.run((*before, *ping), capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def measured(side: Side, address: str, *options: str) -> dict[str, float]:
    """Return what the `client` of this side moved to a server, as iperf3 sums it up."""
    argv = ("docker", "-H", f"unix://{side.socket}", "exec", "client", "iperf3", "--json")

    def ended() -> dict[str, float] | None:
        command = (*argv, "--client", address, *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
        said = json.loads(done.stdout)
        if "busy" in said.get("error", ""):  # it has not seen yet that the last client is gone
            return None
        assert "error" not in said, said["error"]
        summed: dict[str, float] = said["end"]["sum_received"]
        return summed

    found: dict[str, float] = wait_for(ended, within=30)
    return found


def carries(side: Side, address: str, *options: str) -> bool:
    """Tell whether the `client` of this side moves a load to a server."""
    return measured(side, address, "--bytes", "20M", *options)["bytes"] >= 20 * MEGABYTE


def crossed(two: TwoEngines, before: list[tuple[int, int]]) -> None:
    """Hold that A has sent and B received a load by the wire since then."""
    (_, sent), (received, _) = before
    assert two.a.counters()[1] - sent > 15 * MEGABYTE
    assert two.b.counters()[0] - received > 15 * MEGABYTE
