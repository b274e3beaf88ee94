"""Containers that hold an endpoint's namespaces: confined, bounded in time, labelled."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from docker import APIClient
from docker.errors import APIError, NotFound

from netbench.engines.docker.client import Clients
from netbench.errors import EngineError

LIFETIME: Final = 6 * 3600
"""Seconds after which even a forgotten container ends."""
_USER: Final = "65534:65534"
_LOOK: Final = 10
"""Seconds that a look at a process may take."""
_PIDS: Final = 512
"""iperf3 has a thread for each of up to 128 streams."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container, as far as we look at it."""

    id: str
    name: str
    pid: int
    addresses: Mapping[str, str]
    """IPv4 address by network id."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which namespaces a container shares instead of having its own."""

    network: str
    """Docker's network mode: `none`, `host`, a network, `container:<id>`."""
    host: bool = False
    """Whether it also has the host's pid, ipc, uts, cgroup and user namespaces."""


def main_process(seconds: int = LIFETIME) -> tuple[str, ...]:
    """Return the command that holds the namespaces."""
    return ("sleep", str(seconds))


def create(
    clients: Clients,
    name: str,
    sharing: Sharing,
    *,
    image: str,
    labels: Mapping[str, str],
    cpus: tuple[int, ...],
    init: bool,
    command: tuple[str, ...],
) -> Container:
    """Create and start a container; nothing half-made is left.

    Raises:
        EngineError: the engine refused.
        EngineLost: it does not answer.
    """
    with clients.lend(f"create container {name}") as api:
        made = api.create_container(
            image,
            name=name,
            entrypoint=list(command),
            user=_USER,
            labels=dict(labels),
            host_config=_host_config(api, sharing, cpus, init=init),
        )["Id"]
        try:
            api.start(made)
            seen = api.inspect_container(made)
        except BaseException:
            with suppress(OSError):
                api.remove_container(made, v=True, force=True)
            raise
    if not seen["State"]["Running"]:
        remove(clients, made)
        raise EngineError(
            f"container {name} ended at once: {seen['State'].get('Error') or 'no word'}"
        )
    return _container(seen)


def look(
    clients: Clients, name: str, image: str, labels: Mapping[str, str], command: tuple[str, ...]
) -> str:
    """Run one command that may look at the host's processes, and nothing else; return its output.

    Raises:
        EngineError: the engine refused, or the command failed.
    """
    with clients.lend(f"run {command[0]} in {name}") as api:
        made = api.create_container(
            image,
            name=name,
            entrypoint=list(command),
            user="0:0",
            labels=dict(labels),
            host_config=api.create_host_config(
                network_mode="none",
                pid_mode="host",
                cap_drop=["ALL"],
                cap_add=["SYS_PTRACE"],
                security_opt=["no-new-privileges"],
                read_only=True,
                pids_limit=_PIDS,
            ),
        )["Id"]
        try:
            api.start(made)
            code = api.wait(made, timeout=_LOOK)["StatusCode"]
            output = api.logs(made, stdout=True, stderr=True).decode(errors="replace")
        finally:
            api.remove_container(made, v=True, force=True)
    if code != 0:
        raise EngineError(f"{' '.join(command)}: {output.strip()}")
    return output


def _host_config(
    api: APIClient, sharing: Sharing, cpus: tuple[int, ...], *, init: bool
) -> dict[str, Any]:
    host: Literal["host"] | None = "host" if sharing.host else None
    return api.create_host_config(
        network_mode=sharing.network,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": "rw,size=64m,mode=1777"},  # noqa: S108 - the container's own
        pids_limit=_PIDS,
        cpuset_cpus=",".join(map(str, cpus)) or None,
        init=True if init and not sharing.host else None,
        pid_mode=host,
        ipc_mode=host,
        uts_mode=host,
        cgroupns=host,
        userns_mode=host,
    )


def _container(seen: Mapping[str, Any]) -> Container:
    networks = seen["NetworkSettings"]["Networks"] or {}
    return Container(
        id=str(seen["Id"]),
        name=str(seen["Name"]).lstrip("/"),
        pid=int(seen["State"]["Pid"]),
        addresses={
            str(network["NetworkID"]): str(network["IPAddress"])
            for network in networks.values()
            if network["IPAddress"]
        },
    )


def remove(clients: Clients, container: str) -> None:
    """Remove a container with all its processes; quietly nothing where it is gone already."""
    with clients.lend("remove a container") as api:
        try:
            api.remove_container(container, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            with suppress(NotFound):
                api.wait(container, condition="removed")
