"""A chain of CNI plug-ins run for one container: ADD in order, DEL in reverse (CNI 1.0 §2-§5)."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from typing import Final, Literal

from netbench.engines.base import Published
from netbench.engines.subnets import Subnet
from netbench.errors import EngineError, Unsupported
from netbench.record import Completed
from netbench.spec import CNI_PATH

_CHILDREN: Final = ("macvlan", "ipvlan")  # plug-ins whose links are children of a `master`
_LACKING: Final = ("operation not supported", "unknown device type")  # plug-ins say of links

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Plugin = Mapping[str, Json]  # of a list, with its `type`, before the runtime adds to it
Interface = IPv4Interface | IPv6Interface
Call = Callable[[str, Mapping[str, str], str], Completed]  # a program, its environment, its input


@dataclass(frozen=True, slots=True)
class Result:
    """What the plug-ins of a chain have made for one container so far."""

    text: str  # the plug-in's own JSON, handed to the next one as it is
    host_links: tuple[str, ...]  # links that they made outside the container, in their order
    addresses: tuple[Interface, ...]
    gateways: tuple[Interface, ...]  # with the prefix of the address that they stand beside

    def address(self, version: int) -> Interface | None:
        """Return the first address of a version of IP."""
        return next((a for a in self.addresses if a.version == version), None)

    def gateway(self, version: int) -> str | None:
        """Return the first gateway of a version of IP, without its prefix."""
        found = (str(g.ip) for g in self.gateways if g.version == version)
        return next(found, None)


def read_result(text: str) -> Result:
    """Return the result that a plug-in printed; raises ValueError if it is none."""
    try:
        found = json.loads(text)
        links = [link["name"] for link in found.get("interfaces", []) if not link.get("sandbox")]
        pairs = [(ip["address"], ip.get("gateway")) for ip in found.get("ips", [])]
        addresses = tuple(ip_interface(address) for address, _ in pairs)
        beside = [(gate, address.partition("/")[2]) for address, gate in pairs if gate]
        gateways = tuple(ip_interface(f"{gate}/{prefix}") for gate, prefix in beside)
    except (AttributeError, KeyError, TypeError, RecursionError) as exc:
        raise ValueError(f"no CNI result: {exc!r}") from exc
    return Result(text, tuple(map(str, links)), addresses, gateways)


def read_error(done: Completed) -> str:
    """Return why a plug-in failed: its JSON on standard output, or what it left when it crashed."""
    if done.timed_out:
        return f"did not end within {done.seconds:.0f} s"
    try:
        found = json.loads(done.stdout)
        words = [str(found[key]).strip() for key in ("msg", "details") if found.get(key)]
        if words:
            return f"code {found.get('code')}: {': '.join(words)}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    said = " ".join(f"{done.stdout} {done.stderr}".split())[:300] or "no message"
    return f"exit code {done.exit_code}: {said}"


@dataclass(frozen=True, slots=True)
class PluginChain:
    """A network configuration list, ready to be run."""

    name: str
    version: str
    plugins: tuple[Plugin, ...]

    @property
    def masters(self) -> tuple[str, ...]:
        """Links whose children its plug-ins make."""
        return tuple(str(one["master"]) for one in self.plugins if one["type"] in _CHILDREN)

    @property
    def bridges(self) -> tuple[str, ...]:
        """Bridges that its plug-ins make for all containers alike, and leave."""
        bridges = (one for one in self.plugins if one["type"] == "bridge")
        return tuple(str(one.get("bridge") or "cni0") for one in bridges)


def has_children(text: str) -> bool:
    """Tell whether one of a list's plug-ins makes links beneath a `master`."""
    return any(plugin["type"] in _CHILDREN for plugin in json.loads(text)["plugins"])


def subnets_of(text: str) -> Iterator[Subnet]:
    """Yield the valid subnets that a list's host-local sections number containers from."""
    for plugin in json.loads(text)["plugins"]:
        ipam = plugin.get("ipam", {})
        groups = ipam.get("ranges", [])
        for given in (ipam, *(one for group in _listed(groups) for one in _listed(group))):
            with suppress(KeyError, TypeError, ValueError):
                yield ip_network(str(given["subnet"]), strict=False)


def _listed(given: Json) -> list[Json]:
    return given if isinstance(given, list) else []


def read_chain(text: str, *, folder: str, master: str) -> PluginChain:
    """Return a checked list's chain.

    Leases and whatever else its plug-ins keep go into `folder`, whatever `dataDir` the list names:
    a benchmark must not take addresses from a live store. `master` is for those that name none.
    """
    found = json.loads(text)
    plugins = tuple(_plugin(given, folder, master) for given in found["plugins"])
    return PluginChain(found["name"], found["cniVersion"], plugins)


def _plugin(given: Mapping[str, Json], folder: str, master: str) -> Plugin:
    config = dict(given)
    ipam = config.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type") == "host-local":
        config["ipam"] = {**ipam, "dataDir": f"{folder}/ipam"}
    if config["type"] == "tuning":
        config["dataDir"] = f"{folder}/tuning"
    if config["type"] in _CHILDREN:
        config["master"] = config.get("master") or master
    return config


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's place in a network: its chain, with what runs the plug-ins."""

    chain: PluginChain
    id: str  # the container's
    pid: int
    ports: tuple[Published, ...]
    hosts: tuple[str, ...]  # the host's addresses at which the ports are published
    call: Call

    def add(self) -> Result:
        """Run the plug-ins in order and return the last one's result.

        EngineError, after every DEL, if one fails; `Unsupported` if the kernel has no such links.
        """
        result: Result | None = None
        try:
            for plugin in self.chain.plugins:
                result = self._add(plugin, result)
        except EngineError as exc:
            problems = "; ".join(self._undo(result))
            raise type(exc)(
                f"{exc}; {problems or 'DEL was run for the whole chain, in reverse'}"
            ) from exc
        except BaseException:
            tuple(self._undo(result))
            raise
        if result is None:
            raise EngineError(f"CNI network {self.chain.name!r} has no plug-ins")
        return result

    def delete(self, result: Result) -> None:
        """Run DEL for the whole chain, then raise EngineError with the messages of failures."""
        problems = tuple(self._undo(result))
        if problems:
            raise EngineError("; ".join(problems))

    def _add(self, plugin: Plugin, result: Result | None) -> Result:
        done = self._run("ADD", plugin, result)
        if not done.timed_out and done.exit_code == 0:
            try:
                return read_result(done.stdout)
            except ValueError as exc:
                raise EngineError(f"{self._name(plugin)}: ADD: {exc}") from exc
        said = read_error(done)
        lacking = any(words in said for words in _LACKING)
        kind = Unsupported if lacking else EngineError
        raise kind(f"{self._name(plugin)}: ADD failed: {said}")

    def _undo(self, result: Result | None) -> Iterator[str]:
        """Run DEL for the whole chain, yield what did not work."""
        for plugin in reversed(self.chain.plugins):
            try:
                done = self._run("DEL", plugin, result)
            except EngineError as exc:
                yield str(exc)
                continue
            if done.timed_out or done.exit_code != 0:
                yield f"{self._name(plugin)}: DEL failed: {read_error(done)}"

    def _name(self, plugin: Plugin) -> str:
        return f"CNI plug-in {plugin['type']} of network {self.chain.name!r}"

    def _run(
        self, command: Literal["ADD", "DEL"], plugin: Plugin, result: Result | None
    ) -> Completed:
        path = os.environ.get("CNI_PATH") or CNI_PATH
        program = shutil.which(str(plugin["type"]), path=path)
        if program is None:
            raise EngineError(f"{self._name(plugin)}: {command}: no such program in {path}")
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.id,
            "CNI_NETNS": f"/proc/{self.pid}/ns/net",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": path,
        }
        return self.call(program, environment, self._config(plugin, result))

    def _config(self, plugin: Plugin, result: Result | None) -> str:
        """Return what a plug-in reads: its part of the list, and what the runtime adds to it."""
        config = {**plugin, "name": self.chain.name, "cniVersion": self.chain.version}
        capabilities = config.pop("capabilities", None)
        if result is not None:
            config["prevResult"] = json.loads(result.text)
        maps_ports = isinstance(capabilities, dict) and capabilities.get("portMappings") is True
        if maps_ports and self.ports:
            mappings: list[Json] = [
                {
                    "hostPort": published.host_port,
                    "containerPort": published.port.number,
                    "protocol": protocol,
                    "hostIP": host,
                }
                for published in self.ports
                for protocol in published.port.protocols
                for host in self.hosts
            ]
            config["runtimeConfig"] = {"portMappings": mappings}
        return json.dumps(config)
