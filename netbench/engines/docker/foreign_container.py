"""A read-only look at a container that is not ours, from a helper that shares its namespaces."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from docker.errors import NotFound

from netbench.engines.base import Endpoint, Network
from netbench.engines.docker import procfs
from netbench.engines.docker.client import Clients
from netbench.engines.docker.container_factory import Maker
from netbench.engines.docker.endpoints import (
    ROOT,
    EndpointContainer,
    Order,
    Sharing,
    address_in,
    as_shown,
    main_process,
)
from netbench.engines.docker.network_info import describe
from netbench.errors import EngineError
from netbench.spec import Role
from netbench.system.files import Files

SEE: Final = "SYS_PTRACE"
"""The capability that it takes to read the namespaces of another's process."""
NOT_SHARED: Final = ("cgroup", "ipc", "mnt", "time", "user", "uts")
"""Kinds of namespace that the helper has of its own, or perhaps has."""


@dataclass(frozen=True, slots=True)
class ForeignContainer:
    """A container that is looked at."""

    container: EndpointContainer
    network: Network | None
    """The first network that it is in."""
    first: int | None
    """Its main process as its pid namespace numbers it; None where that cannot be told."""


def look_up(clients: Clients, name: str, files: Files) -> ForeignContainer:
    """Return a running container by its name or id; `files` are those of the engine's machine.

    Raises:
        EngineError: there is none, or it does not run; with the fix.
    """
    with clients.lend(f"inspect container {name}") as api:
        try:
            seen = api.inspect_container(name)
        except NotFound as error:
            raise EngineError(
                f"the engine has no container {name}", hint="list them: docker ps"
            ) from error
        if not seen["State"]["Running"] or not seen["State"]["Pid"]:
            state = seen["State"].get("Status") or "not running"
            raise EngineError(
                f"container {name} has no namespaces to look at: it is {state}",
                hint=f"start it: docker start {name}",
            )
        container = as_shown(seen)
        networks = [
            str(network["NetworkID"])
            for network in (seen["NetworkSettings"]["Networks"] or {}).values()
            if network["NetworkID"]
        ]
        network = describe(api.inspect_network(networks[0]), clients.dialect) if networks else None
    return ForeignContainer(container, network, _first(seen, container.pid, files))


def _first(seen: Mapping[str, Any], pid: int, files: Files) -> int | None:
    mode = str(seen["HostConfig"].get("PidMode") or "")
    if mode == "host":
        return pid
    if not mode or mode == "private":
        return 1
    return procfs.inner_pid(files, pid)


def helper(maker: Maker, visited: ForeignContainer) -> Order:
    """Return the order of a container that sees what the visited one's namespaces hold."""
    same = f"container:{visited.container.id}"
    order = maker.order(f"visit-{visited.container.name}", Sharing(same, pids=same), main_process())
    return replace(order, user=ROOT, capabilities=(SEE,), init=False)


def endpoint(visited: ForeignContainer, seer: EndpointContainer) -> Endpoint:
    """Return the visited container as an endpoint whose commands run in the helper."""
    container, network = visited.container, visited.network
    return Endpoint(
        id=seer.id,
        name=container.name,
        role=Role.SERVER,
        pid=container.pid,
        address=address_in(network, container.addresses),
        ipam=network.ipam if network else None,
        address6=address_in(network, container.addresses6),
        sandbox_key=container.sandbox_key,
    )


def others(
    visited: ForeignContainer, printed: str, *, local: bool
) -> tuple[tuple[str, int | None], ...]:
    """Return the inodes of the visited container's namespaces that the helper does not share.

    Args:
        visited: whose they are.
        printed: what `readlink` printed of the links in the helper.
        local: whether the pids of containers are those of our own /proc.
    """
    found: dict[str, int] = {
        kind: int(inode) for kind, inode in re.findall(r"^(\w+):\[(\d+)\]$", printed, re.MULTILINE)
    }
    for kind in NOT_SHARED if local else ():
        with suppress(OSError):
            found[kind] = Path(f"/proc/{visited.container.pid}/ns/{kind}").stat().st_ino
    return tuple((kind, found.get(kind)) for kind in NOT_SHARED)
