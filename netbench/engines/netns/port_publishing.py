"""Published ports of the world's host, served by DNAT or by docker-proxy."""

import select
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from netbench.engines.base import Published
from netbench.engines.local_process import find_program
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.rules import Forward, forward_rules
from netbench.engines.subnets import Addresses, SubnetPair
from netbench.errors import EngineError, Unsupported
from netbench.spec import Family, Port

_PROXY: Final = "docker-proxy"
_FOLDERS: Final = ("/usr/bin", "/usr/sbin", "/usr/libexec/docker", "/usr/lib/docker")
"""Where distributions keep it; few of these are on everybody's PATH."""
_WITHIN: Final = 5.0  # seconds a proxy may take to listen
_REPORT_ON_OUTPUT: Final = ("sh", "-c", 'exec "$0" "$@" 3>&1')
"""docker-proxy writes to file descriptor 3 whether it listens: `0`, or `1` and why not."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Ports of an endpoint's own to publish at the host's addresses on the LAN."""

    ports: tuple[Port, ...] = ()
    served: Literal["proxy", "nat"] | None = None  # how they must be served; None for DNAT


def unavailable(firewall: Firewall, served: Literal["proxy", "nat"] | None) -> str | None:
    """Return why ports cannot be published in this way, or None if they can."""
    return proxy_unavailable() if served == "proxy" else firewall.lacking


def proxy_unavailable() -> str | None:
    """Return why there can be no proxies, or None if there can."""
    found = find_program(_PROXY, *_FOLDERS)
    return None if found else f"published=proxy needs {_PROXY} (package docker.io)"


def publish(
    world: World,
    own: Addresses,
    within: SubnetPair,
    publication: Publication,
    undo: ExitStack,
) -> tuple[Published, ...]:
    """Publish ports of the endpoint with addresses `own` over TCP and UDP; errors as `attach`."""
    if not publication.ports:
        return ()
    lan = world.lan()
    lacking = unavailable(world.firewall, publication.served)
    if lacking:
        raise Unsupported(lacking)
    host = Addresses(lan.host, lan.host6)
    published = tuple(Published(port, world.ports.take(undo)) for port in publication.ports)
    forwards = [Forward(host, one.host_port, own, one.port.number, within) for one in published]
    if publication.served == "proxy":
        _start_proxies(world, forwards, undo)
    else:
        name = f"ports {own.v4}"
        undo.callback(world.firewall.drop, name)
        rules = {x: [rule for one in forwards for rule in forward_rules(one, x)] for x in Family}
        world.firewall.add(name, rules)
    return published


def _start_proxies(world: World, forwards: Iterable[Forward], undo: ExitStack) -> None:
    """Start a proxy for each port, protocol and family; EngineError if one does not listen."""
    program = find_program(_PROXY, *_FOLDERS) or _PROXY
    started = []
    for one, family, protocol in product(forwards, Family, ("tcp", "udp")):
        host, address = one.host.of(family), one.to.of(family)
        if host and address:
            argv = (
                *("-proto", protocol, "-host-ip", host, "-host-port", str(one.host_port)),
                *("-container-ip", address, "-container-port", str(one.port)),
            )
            process = world.spawner.program(world.pid, (*_REPORT_ON_OUTPUT, program, *argv))
            undo.callback(world.spawner.end, process)
            started.append(process)
    for process in started:
        _await_listening(process)


def _await_listening(process: subprocess.Popen[str]) -> None:
    said, output = "", process.stdout
    if output is not None:
        answered, _, _ = select.select([output], [], [], _WITHIN)
        said = output.readline().strip() if answered else "no answer"
        if said == "0":
            return
        said = output.readline().strip() if said == "1" else said
    raise EngineError(f"{_PROXY} does not serve the port: {said or 'it ended'}")
