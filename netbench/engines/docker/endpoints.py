"""Containers that hold an endpoint's namespaces: confined, bounded in time, labelled."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from docker import APIClient
from docker.errors import APIError, NotFound

from netbench.engines.base import Network
from netbench.engines.docker.client import Clients
from netbench.errors import EngineError, Unsupported

LIFETIME: Final = 6 * 3600
"""Seconds after which even a forgotten container ends."""
USER: Final = "65534:65534"
"""Whom tools run as."""
ROOT: Final = "0:0"
"""Who reads what is for root alone, and uses a capability: Docker gives those to no other user."""
_ONCE: Final = 30
"""Seconds that a container which does one thing may take."""
_PIDS: Final = 512
"""iperf3 has a thread for each of up to 128 streams."""
_LACKING: Final = ("not supported", "unknown device type")
"""What `ip` says where the kernel has no such link."""


@dataclass(frozen=True, slots=True)
class EndpointContainer:
    """A running container, as far as we look at it."""

    id: str
    name: str
    pid: int
    addresses: Mapping[str, str]
    """IPv4 address by network, under its id and under its name: engines tell one or the other."""
    addresses6: Mapping[str, str]
    """The same in IPv6."""
    sandbox_key: str | None
    """File that names its network namespace; None where it shares another container's."""
    bindings: Mapping[str, tuple[tuple[str, int], ...]]
    """Addresses and ports of the host by the port of its own that is published there, `80/tcp`."""


def address_in(network: Network | None, addresses: Mapping[str, str]) -> str | None:
    """Return a container's address in a network; its only one, where it is in no other."""
    if network is None:
        return None
    names = (network.id, network.ipam.network if network.ipam else "")
    found = next((addresses[name] for name in names if name in addresses), None)
    only = set(addresses.values())
    return found or (only.pop() if len(only) == 1 else None)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which namespaces a container shares instead of having its own."""

    network: str
    """Docker's network mode: `none`, `host`, a network, `container:<id>`."""
    host: bool = False
    """Whether it also has the host's pid, ipc, uts, cgroup and user namespaces."""
    pids: str | None = None
    """Docker's pid mode, where that alone is shared: `host`, `container:<id>`."""
    users: bool = False
    """Whether it has the host's user namespace even where the engine remaps users."""


@dataclass(frozen=True, slots=True)
class Order:
    """A container to make."""

    name: str
    image: str
    labels: Mapping[str, str]
    sharing: Sharing
    command: tuple[str, ...]
    user: str = USER
    capabilities: tuple[str, ...] = ()
    """What it may do beyond nothing, `NET_ADMIN`."""
    cpus: tuple[int, ...] = ()
    init: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    publish: Mapping[str, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    """Addresses and ports of the host by the port to publish there, `80/tcp`; None for any free
    one."""


def main_process(seconds: int = LIFETIME) -> tuple[str, ...]:
    """Return the command that holds the namespaces."""
    return ("sleep", str(seconds))


def create(clients: Clients, order: Order) -> EndpointContainer:
    """Create and start a container; nothing half-made is left.

    Raises:
        EngineError: the engine refused.
        EngineLost: it does not answer.
    """
    with clients.lend(f"create container {order.name}") as api:
        made = _create(api, order)
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
            f"container {order.name} ended at once: {seen['State'].get('Error') or 'no word'}"
        )
    return as_shown(seen)


def once(clients: Clients, order: Order) -> str:
    """Run a container's command to its end, remove it and return what the command printed.

    Raises:
        EngineError: the engine refused, or the command failed; `Unsupported` where it says that
            the kernel lacks something.
    """
    with clients.lend(f"run {order.command[0]} in {order.name}") as api:
        made = _create(api, order)
        try:
            api.start(made)
            code = api.wait(made, timeout=_ONCE)["StatusCode"]
            output = api.logs(made, stdout=True, stderr=True).decode(errors="replace").strip()
        finally:
            api.remove_container(made, v=True, force=True)
    if code != 0:
        lacking = any(word in output.lower() for word in _LACKING)
        kind = Unsupported if lacking else EngineError
        raise kind(f"run {order.command[0]} in {order.name}: {output or f'exit code {code}'}")
    return output


def _create(api: APIClient, order: Order) -> str:
    made = api.create_container(
        order.image,
        name=order.name,
        entrypoint=list(order.command),
        user=order.user,
        labels=dict(order.labels),
        ports=[tuple(port.split("/")) for port in order.publish],
        stop_timeout=0,  # Podman waits for 10 s else before it removes by force
        host_config=_host_config(api, order),
    )
    return str(made["Id"])


def _host_config(api: APIClient, order: Order) -> dict[str, Any]:
    sharing = order.sharing
    host: Literal["host"] | None = "host" if sharing.host else None
    return api.create_host_config(
        network_mode=sharing.network,
        cap_drop=["ALL"],
        cap_add=list(order.capabilities),
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": "rw,size=512m,mode=1777"},  # noqa: S108 - the container's own
        pids_limit=_PIDS,
        cpuset_cpus=",".join(map(str, order.cpus)) or None,
        init=True if order.init and not sharing.host else None,
        sysctls=dict(order.sysctls) or None,
        port_bindings={
            port: [
                (address,) if number is None else (address, number) for address, number in places
            ]
            for port, places in order.publish.items()
        },
        pid_mode=host or sharing.pids,
        ipc_mode=host,
        uts_mode=host,
        cgroupns=host,
        userns_mode="host" if host or sharing.users else None,
    )


def as_shown(seen: Mapping[str, Any]) -> EndpointContainer:
    """Return a container as the engine's inspection shows it."""
    settings = seen["NetworkSettings"]
    networks = settings["Networks"] or {}
    return EndpointContainer(
        id=str(seen["Id"]),
        name=str(seen["Name"]).lstrip("/"),
        pid=int(seen["State"]["Pid"]),
        addresses=_addresses(networks, "IPAddress"),
        addresses6=_addresses(networks, "GlobalIPv6Address"),
        sandbox_key=settings.get("SandboxKey") or None,
        bindings=_bindings(settings.get("Ports") or {}),
    )


def _addresses(networks: Mapping[str, Any], field: str) -> dict[str, str]:
    given = {name: network for name, network in networks.items() if network.get(field)}
    by_id = {str(network["NetworkID"]): str(network[field]) for network in given.values()}
    return {name: str(network[field]) for name, network in given.items()} | by_id


def _bindings(ports: Mapping[str, Any]) -> dict[str, tuple[tuple[str, int], ...]]:
    return {
        port: tuple(
            (str(place["HostIp"]), int(place["HostPort"]))
            for place in places or ()
            if place.get("HostPort")
        )
        for port, places in ports.items()
    }


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
