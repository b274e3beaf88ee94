"""`cni`: networks that CNI plug-ins make, run by the CNI protocol in the world's namespace."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from netbench.engines.base import Lan, Network, Published
from netbench.engines.folders import make_folder, remove_folder
from netbench.engines.netns import cni_traces
from netbench.engines.netns.cni_chain import (
    Attachment,
    PluginChain,
    PluginTarget,
    has_children,
    read_chain,
    subnets_of,
)
from netbench.engines.netns.cni_result import Result
from netbench.engines.netns.cni_traces import Gateway
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Publication
from netbench.errors import EngineError
from netbench.record import Completed, Ipam
from netbench.spec import NetworkSpec, Role

_TIMEOUT: Final = 20.0
"""Seconds one plug-in may take; the slowest seen took 0.2."""
_SYSTEM: Final = "/usr/sbin:/sbin"
"""Where plug-ins find iptables; not on every ordinary user's PATH."""


@dataclass(slots=True)
class _Net:
    """A network: a list, and what its plug-ins have made so far."""

    chain: PluginChain
    lan: Lan | None
    """The LAN, where the containers' links are children of the link to it."""
    links: set[str]
    """Links of the world's that the plug-ins made, or may have made."""
    subnets: set[str] = field(default_factory=set)
    gateways: set[Gateway] = field(default_factory=set)
    """Addresses that the LAN's client has for it."""


@dataclass(frozen=True, slots=True)
class _Joined:
    net: _Net
    attachment: Attachment
    result: Result


class CniKind:
    """Networks of CNI configuration lists. One plug-in runs at a time.

    Two networks of one list are one network to its plug-ins: the same bridge, and addresses from
    one store. That store is a folder of the run's own whatever the list says: a benchmark must
    not take addresses from a live cluster's.
    """

    def __init__(self, world: World) -> None:
        """Make nothing yet."""
        self._world = world
        self._lock = threading.RLock()
        self._folder: Path | None = None
        self._nets: dict[str, _Net] = {}
        self._joined: dict[str, _Joined] = {}
        self._ports: dict[str, list[Published]] = {}

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Leave it to the plug-ins, which tell what they lack when they are run."""
        del spec
        return None

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell that the world publishes nothing: a plug-in does."""
        del spec
        return False

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Read the list; its plug-ins make what they make when the first container comes.

        Raises:
            EngineError: it names a master that is not there.
        """
        self._world.subnets.avoid(subnets_of(spec.conflist))
        lan = self._world.lan() if has_children(spec.conflist) else None
        with self._lock:
            if self._folder is None:
                self._folder = make_folder("cni", self._world.run)
            chain = read_chain(
                spec.conflist, folder=str(self._folder), master=lan.link if lan else ""
            )
            if lan:
                self._check_masters(chain, lan)
            self._nets[name] = _Net(chain, lan, set(chain.bridges))
        return Network(name, None, lan)

    def _check_masters(self, chain: PluginChain, lan: Lan) -> None:
        links = cni_traces.kinds_of_links(self._world.pid)
        for master in chain.masters:
            if master not in links:
                raise EngineError(
                    f"CNI network {chain.name!r}: the world of the netns engine has no link "
                    f"{master!r} to be the master; its link to the LAN is {lan.link!r}: "
                    "leave `master` out, and it is that one"
                )

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Run the plug-ins' ADD.

        Raises:
            EngineError: the container has no namespace of its own, or a plug-in failed; nothing
                is left then. `Unsupported` where the kernel lacks what the plug-in needs.
        """
        del role
        net = self._nets.get(network.id)
        if net is None:
            raise EngineError(f"the network {network.id} is gone")
        self._check_namespace(holder)
        try:
            ports = self._take_ports(name, publish)
            with self._lock:
                joined = self._add(net, holder, name, ports)
                self._connect(network.id, net, joined.result)
                ipam = self._ipam(net, joined.result)
        except BaseException:
            self.detach(name)
            raise
        own = [joined.result.address(version) for version in (4, 6)]
        v4, v6 = (str(one.ip) if one else None for one in own)
        return Attached(v4, v6, ipam, ports)

    def _check_namespace(self, holder: int) -> None:
        """A plug-in that is given a namespace which is not there leaves its bridge behind."""
        try:
            ours, theirs = (Path(f"/proc/{pid}/ns/net").stat() for pid in (self._world.pid, holder))
        except OSError as exc:
            raise EngineError(f"the container's network namespace is gone: {exc}") from exc
        if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
            raise EngineError("the container has no network namespace of its own")

    def _add(self, net: _Net, holder: int, name: str, ports: tuple[Published, ...]) -> _Joined:
        hosts: tuple[str, ...] = ()
        if ports:
            lan = self._world.lan()
            hosts = (lan.host, *((lan.host6,) if lan.host6 else ()))
        ident = f"netbench-{self._world.run}-{self._world.number()}"
        attachment = Attachment(net.chain, PluginTarget(ident, holder, ports, hosts), self._call)
        joined = _Joined(net, attachment, attachment.add())
        net.links.update(joined.result.host_links)
        self._joined[name] = joined
        return joined

    def _call(self, program: str, environment: Mapping[str, str], text: str) -> Completed:
        path = f"{os.environ.get('PATH', '')}:{_SYSTEM}"
        return self._world.command(
            (program,),
            stdin=text,
            environment={**environment, "PATH": path},
            timeout=_TIMEOUT,
        )

    def _connect(self, network: str, net: _Net, result: Result) -> None:
        """Let the LAN reach the container: by its own link, or through the world.

        Raises:
            EngineError: its addresses are from a subnet that the world has already.
        """
        cni_traces.check_overlap(self._world.pid, net.chain.name, result)
        if net.lan:
            for gateway in result.gateways:
                if not any(gateway in other.gateways for other in self._nets.values()):
                    cni_traces.add_gateway(net.lan.client.pid, self._world.lan_end, gateway)
                net.gateways.add(gateway)
            return
        found = {str(address.network) for address in result.addresses}
        if not found <= net.subnets:
            net.subnets |= found
            self._world.allow(network, *sorted(net.subnets))

    def _ipam(self, net: _Net, result: Result) -> Ipam | None:
        """Return what the result says of the network; None where it has no IPv4 address."""
        v4, v6 = result.address(4), result.address(6)
        if v4 is None:
            return None
        kinds = cni_traces.kinds_of_links(self._world.pid)
        bridges = (link for link in result.host_links if kinds.get(link) == "bridge")
        return Ipam(
            network=net.chain.name,
            subnet=str(v4.network),
            gateway=result.gateway(4),
            bridge=next(bridges, None),
            subnet6=str(v6.network) if v6 else None,
            gateway6=result.gateway(6),
            parent=next(iter(net.chain.masters), None),
        )

    def _take_ports(self, name: str, publish: Publication) -> tuple[Published, ...]:
        taken: list[Published] = []
        with self._lock:
            self._ports[name] = taken
        taken += (Published(port, self._world.take_host_port()) for port in publish.ports)
        return tuple(taken)

    def detach(self, name: str) -> None:
        """Run the plug-ins' DEL, in reverse.

        Raises:
            EngineError: with what each plug-in said that failed; all of them were run.
        """
        with self._lock:
            joined = self._joined.pop(name, None)
            ports = self._ports.pop(name, [])
            try:
                if joined:
                    joined.attachment.delete(joined.result)
            finally:
                for published in ports:
                    self._world.give_back_host_port(published.host_port)

    def remove(self, network: Network) -> None:
        """Remove what DEL leaves by design: bridges, gateways, chains of rules that are empty."""
        with self._lock:
            net = self._nets.pop(network.id, None)
            if net is None:
                return
            others = list(self._nets.values())
            self._world.disallow(network.id)
            for link in net.links.difference(*(other.links for other in others)):
                cni_traces.remove_link(self._world.pid, link)
            if net.lan:
                own = net.gateways.difference(*(other.gateways for other in others))
                cni_traces.remove_gateways(net.lan.client.pid, self._world.lan_end, own)
            if not others:
                cni_traces.remove_rules(self._world.command, self._world.firewall)

    def close(self) -> None:
        """Remove the run's folder."""
        with self._lock:
            if self._folder:
                remove_folder(self._folder)
                self._folder = None
