"""Containers that hold an endpoint's namespaces: confined, bounded in time, labelled."""

import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from docker import APIClient
from docker.errors import APIError, NotFound

from netbench.engines.base import Endpoint, Network
from netbench.engines.docker.client import Clients
from netbench.engines.docker.image import Image, prepare
from netbench.engines.owner import this_process
from netbench.errors import EngineError, Unsupported
from netbench.spec import Role

RUN: Final = "netbench.run"  # label with the run's id, on every container and network
OWNER: Final = "netbench.owner"  # label that says which process made it
LIFETIME: Final = 6 * 3600  # seconds after which even a forgotten container ends
MAIN: Final = ("sleep", str(LIFETIME))  # command that holds the namespaces
USER: Final = "65534:65534"
ROOT: Final = "0:0"  # for files of root's alone, and for capabilities: no other user has those
NET_ADMIN: Final = "NET_ADMIN"
_ONCE: Final = 30  # seconds that a container which does one thing may take
_PIDS: Final = 512  # iperf3 has a thread for each of up to 128 streams
_LACKING: Final = ("not supported", "unknown device type")  # `ip` says of links


Bindings = Mapping[str, tuple[tuple[str, int], ...]]
"""Addresses and ports of the host by the published port of a container's own, `80/tcp`."""


def endpoint_of(seen: Mapping[str, Any], role: Role, network: Network | None = None) -> Endpoint:
    """Return a running container from the engine's inspection, as an endpoint in a network."""
    networks = seen["NetworkSettings"]["Networks"] or {}
    return Endpoint(
        id=str(seen["Id"]),
        name=str(seen["Name"]).lstrip("/"),
        role=role,
        pid=int(seen["State"]["Pid"]),
        address=address_in(network, _addresses(networks, "IPAddress")),
        ipam=network.ipam if network else None,
        address6=address_in(network, _addresses(networks, "GlobalIPv6Address")),
        sandbox_key=seen["NetworkSettings"].get("SandboxKey") or None,
    )


def _bindings(seen: Mapping[str, Any]) -> Bindings:
    found = (seen["NetworkSettings"].get("Ports") or {}).items()
    return {
        port: tuple((str(at["HostIp"]), int(at["HostPort"])) for at in places if at.get("HostPort"))
        for port, places in ((port, places or ()) for port, places in found)
    }


def _addresses(networks: Mapping[str, Any], field: str) -> dict[str, str]:
    return {
        key: str(network[field])
        for name, network in networks.items()
        if network.get(field)
        for key in (name, str(network["NetworkID"]))
    }


def address_in(network: Network | None, addresses: Mapping[str, str]) -> str | None:
    """Return an address by the id or name of its network (engines differ); else the only one."""
    if network is None:
        return None
    names = (network.id, network.ipam.network if network.ipam else "")
    found = next((addresses[name] for name in names if name in addresses), None)
    only = set(addresses.values())
    return found or (only.pop() if len(only) == 1 else None)


@dataclass(frozen=True, slots=True)
class Sharing:
    """The namespaces of others that a container has instead of its own."""

    network: str  # docker's network mode: `none`, `host`, a network, `container:<id>`
    host: bool = False  # whether the pid, ipc, uts, cgroup and user namespaces are the host's too
    pids: str | None = None  # docker's pid mode, if shared alone: `host`, `container:<id>`
    users: bool = False  # whether the user namespace is the host's if the engine remaps users


HOSTS_LINKS: Final = Sharing("host", pids="host", users=True)
"""From here a link of the host's can be made, with an end in another container."""


@dataclass(frozen=True, slots=True)
class Order:
    """A container to make."""

    name: str
    image: str
    labels: Mapping[str, str]
    sharing: Sharing
    command: tuple[str, ...]
    role: Role = Role.HOST
    network: Network | None = None  # where its addresses are
    user: str = USER
    capabilities: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    init: bool = False
    runtime: str | None = None  # None for the engine's default
    sysctls: Mapping[str, str] = field(default_factory=dict)
    publish: Mapping[str, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    """The host's addresses and ports (None for any) by the port of its own, `80/tcp`."""


class Maker:
    """Makes the run's containers of the probe image; safe to use from several threads."""

    def __init__(
        self, clients: Clients, run: str, *, image: str | None, architecture: str, init: bool
    ) -> None:
        """Take `EngineOptions.image`, and whether the engine has an init process for containers."""
        self.clients = clients
        self.labels: Mapping[str, str] = {RUN: run, OWNER: this_process()}
        self.host_network = "host"  # network mode that joins the engine's host
        self.made_image: Image | None = None  # the probe image, as soon as it was needed
        self._wanted = (image, architecture)
        self._init = init
        self._lock = threading.Lock()

    def image(self) -> Image:
        """Return the probe image, made at the first call."""
        with self._lock:
            if self.made_image is None:
                self.made_image = prepare(self.clients, *self._wanted)
            return self.made_image

    def unique(self, name: str) -> str:
        """Return a name that no other container or network has."""
        plain = re.sub(r"[^a-zA-Z0-9_.-]", "-", f"{self.labels[RUN]}-{name}")
        return f"netbench-{plain}-{secrets.token_hex(3)}"

    def order(
        self,
        name: str,
        sharing: Sharing,
        command: tuple[str, ...] = MAIN,
        capability: str | None = None,
    ) -> Order:
        """Return an order of a confined container; root's, if with a capability."""
        return Order(
            name=self.unique(name),
            image=self.image().reference,
            labels=self.labels,
            sharing=sharing,
            command=command,
            user=ROOT if capability else USER,
            capabilities=(capability,) if capability else (),
            init=self._init and not capability,
        )

    def create(self, order: Order) -> Endpoint:
        """Create and start a container; nothing half-made is left."""
        return self.create_published(order)[0]

    def create_published(self, order: Order) -> tuple[Endpoint, Bindings]:
        """Do the same, and return where its ports are published too."""
        with self.clients.lend(f"create container {order.name}") as api:
            made = _create(api, order, self.host_network)
            try:
                api.start(made)
                seen = api.inspect_container(made)
            except BaseException:
                with suppress(OSError):
                    api.remove_container(made, v=True, force=True)
                raise
        if not seen["State"]["Running"]:
            self.remove(made)
            raise EngineError(
                f"container {order.name} ended at once: {seen['State'].get('Error') or 'no word'}"
            )
        return endpoint_of(seen, order.role, order.network), _bindings(seen)

    def once(self, order: Order) -> str:
        """Run a command in a container of its own, return its output; EngineError if it fails."""
        doing = f"run {order.command[0]} in {order.name}"
        with self.clients.lend(doing) as api:
            made = _create(api, order, self.host_network)
            try:
                api.start(made)
                code = api.wait(made, timeout=_ONCE)["StatusCode"]
                output = api.logs(made, stdout=True, stderr=True).decode(errors="replace").strip()
            finally:
                api.remove_container(made, v=True, force=True)
        if code != 0:
            lacking = any(word in output.lower() for word in _LACKING)
            kind = Unsupported if lacking else EngineError
            raise kind(f"{doing}: {output or f'exit code {code}'}")
        return output

    def links(self, name: str, sharing: Sharing, commands: Iterable[str]) -> str:
        """Run shell commands that change links, until one fails; as `once`."""
        script = "\n".join(commands)
        return self.once(self.order(name, sharing, ("sh", "-ec", script), NET_ADMIN))

    def remove(self, container: str) -> None:
        """Remove a container with all its processes; does nothing if it is gone already."""
        with self.clients.lend("remove a container") as api:
            try:
                api.remove_container(container, v=True, force=True)
            except NotFound:
                return
            except APIError as error:
                if "already in progress" not in str(error.explanation):
                    raise
                with suppress(NotFound):
                    api.wait(container, condition="removed")


def created(maker: Maker, order: Order, labels: Mapping[str, str]) -> str:
    """Make a container with more labels, which is not started; return its id."""
    with maker.clients.lend(f"create container {order.name}") as api:
        return _create(api, replace(order, labels={**order.labels, **labels}), maker.host_network)


def _create(api: APIClient, order: Order, host_network: str) -> str:
    sharing = order.sharing
    host: Literal["host"] | None = "host" if sharing.host else None
    helps = order.role is Role.HOST  # an endpoint on `host` gets what the engine calls so
    config = api.create_host_config(
        network_mode=host_network if helps and sharing.network == "host" else sharing.network,
        cap_drop=["ALL"],
        cap_add=list(order.capabilities),
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": "rw,size=512m,mode=1777"},  # noqa: S108 - the container's own
        pids_limit=_PIDS,
        cpuset_cpus=",".join(map(str, order.cpus)) or None,
        init=True if order.init and not sharing.host else None,
        runtime=order.runtime,
        sysctls=dict(order.sysctls) or None,
        port_bindings={port: list(places) for port, places in order.publish.items()},
        pid_mode=host or sharing.pids,
        ipc_mode=host,
        uts_mode=host,
        cgroupns=host,
        userns_mode="host" if host or sharing.users else None,
    )
    made = api.create_container(
        order.image,
        name=order.name,
        entrypoint=list(order.command),
        user=order.user,
        labels=dict(order.labels),
        ports=[tuple(port.split("/")) for port in order.publish],
        stop_timeout=0,  # Podman waits for 10 s else before it removes by force
        host_config=config,
    )
    return str(made["Id"])
