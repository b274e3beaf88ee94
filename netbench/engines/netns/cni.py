"""`cni`: networks that CNI plug-ins make, run by the CNI protocol in the world's namespace."""

import os
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Final

from netbench.engines.base import Endpoint, Network, Published
from netbench.engines.local_process import SYSTEM, find_program
from netbench.engines.netns import wiring
from netbench.engines.netns.cni_chain import (
    Attachment,
    Interface,
    Result,
    has_children,
    read_chain,
    subnets_of,
)
from netbench.engines.netns.host_namespace import LAN_END, Publication, World
from netbench.engines.netns.rules import Rule, routed_rules
from netbench.engines.owner import make_folder, remove_folder
from netbench.errors import EngineError
from netbench.record import Completed, Ipam
from netbench.spec import Family, NetworkSpec

_TIMEOUT: Final = 20.0  # seconds one plug-in may take; the slowest seen took 0.2
_PATH: Final = "/usr/sbin:/sbin"  # where plug-ins find iptables; not on every ordinary user's PATH
_OURS: Final = ("lo", "nb")  # starts of the names of links that no plug-in made


class CniRuntime:
    """What the CNI networks of one world share. One plug-in runs at a time."""

    def __init__(self, world: World) -> None:
        """Make nothing yet."""
        self.world = world
        self.lock = threading.RLock()
        self.networks: set[CniNetwork] = set()

    @cached_property
    def folder(self) -> Path:
        """The folder for the files of plug-ins, made when it is first needed, under the lock."""
        return make_folder("cni", self.world.run)

    def call(self, program: str, environment: Mapping[str, str], text: str) -> Completed:
        """Run a plug-in in the world's network namespace, bounded in time."""
        path = f"{os.environ.get('PATH', '')}:{_PATH}"
        return self.world.spawner.command(
            self.world.pid,
            (program,),
            text,
            environment={**environment, "PATH": path},
            timeout=_TIMEOUT,
        )

    def kinds_of_links(self) -> dict[str, str | None]:
        """Return the links of the world, each with its kind."""

        def work(route: Any) -> dict[str, str | None]:
            links = route.get_links()
            return {str(link.get("ifname")): link.get(("linkinfo", "kind")) for link in links}

        return wiring.netlink(self.world.pid, "list the world's links", work)

    def change_gateways(self, command: str, gateways: Iterable[Interface]) -> None:
        """Add or delete addresses of the LAN's client that are containers' gateways."""

        def work(route: Any) -> None:
            index = wiring.index_of(route, LAN_END)
            for gateway in gateways:
                prefix = gateway.network.prefixlen
                wiring.change_address(route, command, index, str(gateway.ip), prefix)

        what = f"{command} gateway addresses of the LAN's client"
        wiring.netlink(self.world.outside(), what, work)

    def remove_rules(self) -> None:
        """Remove the chains that plug-ins leave empty: they would slow all later pairs.

        The engine's own tables are made anew; others are removed by nft. EngineError if refused.
        """
        world = self.world
        world.firewall.restore()
        program = find_program("nft", *SYSTEM)
        if program is None:
            return
        listed = world.spawner.command(world.pid, (program, "list", "tables")).stdout
        for family, name in re.findall(r"^table (\S+) (\S+)$", listed, re.MULTILINE):
            if (family, name) not in world.firewall.tables:
                argv = (program, "delete", "table", family, name)
                done = world.spawner.command(world.pid, argv)
                if done.exit_code != 0:
                    what = f"table {family} {name} of CNI plug-ins"
                    raise EngineError(f"{what} could not be removed: {done.stderr}")

    def close(self) -> None:
        """Remove the folder."""
        if "folder" in vars(self):
            remove_folder(self.folder)


class CniNetwork:
    """A network of a configuration list; its plug-ins make it when the first container comes."""

    def __init__(self, runtime: CniRuntime, name: str, spec: NetworkSpec, undo: ExitStack) -> None:
        """Read the list; EngineError if it names a master that is not there."""
        self._runtime = runtime
        self._world = runtime.world
        self._world.taken_subnets.update(subnets_of(spec.conflist))
        lan = self._world.lan() if has_children(spec.conflist) else None
        self.network = Network(name, None, lan)
        link = lan.link if lan else ""
        with runtime.lock:
            folder = str(runtime.folder)
        self._chain = read_chain(spec.conflist, folder=folder, master=link)
        present = runtime.kinds_of_links() if lan else {}
        for master in self._chain.masters:
            if master not in present:
                raise EngineError(
                    f"CNI network {self._chain.name!r}: the world of the netns engine has no link "
                    f"{master!r} to be the master; its link to the LAN is {link!r}: "
                    "leave `master` out, and it is that one"
                )
        self.links = set(self._chain.bridges)  # that the plug-ins made, or may have made
        self.gateways: set[Interface] = set()  # addresses that the LAN's client has for it
        self._subnets: set[str] = set()
        self._rules = f"subnets {name}"  # what the firewall calls its rules
        with runtime.lock:
            runtime.networks.add(self)
        undo.callback(self._remove)

    def attach(self, endpoint: Endpoint, publication: Publication, undo: ExitStack) -> Endpoint:
        """Run the plug-ins' ADD; `undo` gets their DEL. Errors as `Attachment.add`."""
        # A plug-in that is given a namespace which is not there leaves its bridge behind.
        try:
            spaces = [Path(f"/proc/{pid}/ns/net").stat() for pid in (self._world.pid, endpoint.pid)]
        except OSError as exc:
            raise EngineError(f"the container's network namespace is gone: {exc}") from exc
        if os.path.samestat(*spaces):
            raise EngineError("the container has no network namespace of its own")
        ports = publication.at(self._world.ports, undo)
        with self._runtime.lock:
            result = self._add(endpoint.pid, ports, undo)
            self.links.update(result.host_links)
            self._check_overlap(result)
            self._connect(result)
            ipam = self._ipam(result)
        v4, v6 = (str(one.ip) if one else None for one in map(result.address, Family))
        return replace(endpoint, address=v4, address6=v6, ipam=ipam, published=ports)

    def _add(self, holder: int, ports: tuple[Published, ...], undo: ExitStack) -> Result:
        lan = self._world.lan() if ports else None
        hosts = tuple(host for host in (lan.host, lan.host6) if host) if lan else ()
        ident = f"netbench-{self._world.run}-{next(self._world.numbers)}"
        attachment = Attachment(self._chain, ident, holder, ports, hosts, self._runtime.call)
        result = attachment.add()

        def delete() -> None:
            with self._runtime.lock:
                attachment.delete(result)

        undo.callback(delete)
        return result

    def _check_overlap(self, result: Result) -> None:
        """Raise EngineError if one of the network's subnets is the world's own as well."""

        def work(route: Any) -> dict[str, str]:
            names = {link["index"]: str(link.get("ifname")) for link in route.get_links()}
            return {
                f"{address.get('address')}/{address['prefixlen']}": names.get(address["index"], "")
                for address in route.get_addr()
            }

        found = wiring.netlink(self._world.pid, "list the world's addresses", work)
        for text, link in found.items():
            own = ip_interface(text).network
            for subnet in (address.network for address in result.addresses):
                if link.startswith(_OURS) and own.overlaps(subnet):
                    raise EngineError(
                        f"CNI network {self._chain.name!r} has the subnet {subnet}, which overlaps "
                        f"{own} of the world's {link}: give it another in its `ipam`"
                    )

    def _connect(self, result: Result) -> None:
        """Let the LAN reach the container: by its own link, or through the world."""
        runtime = self._runtime
        for gateway in result.gateways if self.network.lan else ():
            if not any(gateway in network.gateways for network in runtime.networks):
                runtime.change_gateways("add", [gateway])
            self.gateways.add(gateway)
        found = {str(address.network) for address in result.addresses}
        if self.network.lan is None and not found <= self._subnets:
            self._subnets |= found
            rules: dict[Family, list[Rule]] = {family: [] for family in Family}
            for subnet in sorted(self._subnets):
                rules[Family.V6 if ":" in subnet else Family.V4] += routed_rules(subnet)
            self._world.firewall.add(self._rules, rules)

    def _ipam(self, result: Result) -> Ipam | None:
        """Return what the result says of the network, or None if it has no IPv4 address."""
        v4, v6 = result.address(4), result.address(6)
        if v4 is None:
            return None
        kinds = self._runtime.kinds_of_links()
        bridges = (link for link in result.host_links if kinds.get(link) == "bridge")
        return Ipam(
            network=self._chain.name,
            subnet=str(v4.network),
            gateway=result.gateway(4),
            bridge=next(bridges, None),
            subnet6=str(v6.network) if v6 else None,
            gateway6=result.gateway(6),
            parent=next(iter(self._chain.masters), None),
        )

    def _remove(self) -> None:
        """Remove what DEL leaves by design: bridges, gateways, chains of rules that are empty."""
        runtime, others = self._runtime, self._runtime.networks
        with runtime.lock:
            others.discard(self)
            self._world.firewall.drop(self._rules)
            for link in self.links.difference(*(other.links for other in others)):
                if not link.startswith(_OURS):
                    wiring.delete_link(self._world.pid, link)
            if self.network.lan:
                own = self.gateways.difference(*(other.gateways for other in others))
                runtime.change_gateways("del", own)
            if not others:
                runtime.remove_rules()
