"""A chain of CNI plug-ins run for one container: ADD in order, DEL in reverse (CNI 1.0 §2-§4)."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from netbench.engines.base import Published
from netbench.engines.netns.cni_result import Result, read_error, read_result
from netbench.errors import EngineError, Unsupported
from netbench.record import Completed
from netbench.spec import CNI_PATH

IFNAME: Final = "eth0"
"""What the container's link is called."""
_CHILDREN: Final = ("macvlan", "ipvlan")
"""Plug-ins whose links are children of a `master`."""
_BRIDGE: Final = "cni0"
"""What the bridge plug-in calls its bridge, where the list does not say."""
_STORES: Final = {"tuning": "tuning"}
"""Plug-ins with files of their own in `dataDir`, and the folder for them."""
_LACKING: Final = ("operation not supported", "unknown device type")
"""What plug-ins say where the kernel has no such links."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One link of a chain."""

    type: str
    config: Mapping[str, Json]
    """As the list has it; what the runtime adds is added for each call."""
    maps_ports: bool

    @property
    def master(self) -> str | None:
        """The link whose child it makes; None where it makes none."""
        return str(self.config["master"]) if self.type in _CHILDREN else None


@dataclass(frozen=True, slots=True)
class PluginChain:
    """A network configuration list, ready to be run."""

    name: str
    version: str
    plugins: tuple[Plugin, ...]

    @property
    def masters(self) -> tuple[str, ...]:
        """Links whose children its plug-ins make."""
        return tuple(plugin.master for plugin in self.plugins if plugin.master is not None)

    @property
    def bridges(self) -> tuple[str, ...]:
        """Bridges that its plug-ins make for all containers alike, and leave."""
        return tuple(
            str(plugin.config.get("bridge") or _BRIDGE)
            for plugin in self.plugins
            if plugin.type == "bridge"
        )


@dataclass(frozen=True, slots=True)
class PluginTarget:
    """What a chain is run for."""

    id: str
    pid: int
    ports: tuple[Published, ...]
    hosts: tuple[str, ...]
    """The host's addresses at which the ports are published."""

    @property
    def netns(self) -> str:
        """Path of its network namespace."""
        return f"/proc/{self.pid}/ns/net"


Call = Callable[[str, Mapping[str, str], str], Completed]
"""Run a program with these variables of its environment and this input, bounded in time."""


def has_children(text: str) -> bool:
    """Tell whether one of a list's plug-ins makes links beneath a `master`."""
    return any(plugin["type"] in _CHILDREN for plugin in json.loads(text)["plugins"])


def subnets_of(text: str) -> Iterator[IPv4Network | IPv6Network]:
    """Yield the subnets that a list's host-local sections number containers from.

    What is no subnet is left to the plug-in to tell.
    """
    for plugin in json.loads(text)["plugins"]:
        ipam = plugin.get("ipam", {})
        groups = ipam.get("ranges", [])
        for given in (ipam, *(one for group in _listed(groups) for one in _listed(group))):
            with suppress(KeyError, TypeError, ValueError):
                yield ip_network(str(given["subnet"]), strict=False)


def _listed(given: Json) -> list[Json]:
    return given if isinstance(given, list) else []


def read_chain(text: str, *, folder: str, master: str) -> PluginChain:
    """Return a checked list's chain, with its files in a folder of ours.

    Args:
        text: of the list.
        folder: for leases and whatever else the plug-ins keep. It stands in for every `dataDir`,
            that of the list included: a benchmark must not take addresses from a live store.
        master: the link whose children a macvlan or ipvlan plug-in makes that names none.
    """
    found = json.loads(text)
    plugins = tuple(_plugin(given, folder, master) for given in found["plugins"])
    return PluginChain(found["name"], found["cniVersion"], plugins)


def _plugin(given: Mapping[str, Json], folder: str, master: str) -> Plugin:
    config = {key: value for key, value in given.items() if key != "capabilities"}
    kind = str(config["type"])
    ipam = config.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type") == "host-local":
        config["ipam"] = {**ipam, "dataDir": f"{folder}/ipam"}
    if kind in _STORES:
        config["dataDir"] = f"{folder}/{_STORES[kind]}"
    if kind in _CHILDREN:
        config["master"] = config.get("master") or master
    capabilities = given.get("capabilities")
    maps_ports = isinstance(capabilities, dict) and capabilities.get("portMappings") is True
    return Plugin(kind, config, maps_ports)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's place in a network: its chain, with what runs the plug-ins."""

    chain: PluginChain
    container: PluginTarget
    call: Call

    def add(self) -> Result:
        """Run the plug-ins in order and return the last one's result.

        Raises:
            EngineError: one of them failed, with its words and code; DEL was run for the whole
                chain then, in reverse. `Unsupported` where the kernel has no such links.
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
        """Run the plug-ins in reverse to undo what they made.

        Raises:
            EngineError: with what each of those said that failed; all of them were run.
        """
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
        return f"CNI plug-in {plugin.type} of network {self.chain.name!r}"

    def _run(
        self, command: Literal["ADD", "DEL"], plugin: Plugin, result: Result | None
    ) -> Completed:
        path = os.environ.get("CNI_PATH") or CNI_PATH
        program = shutil.which(plugin.type, path=path)
        if program is None:
            raise EngineError(f"{self._name(plugin)}: {command}: no such program in {path}")
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container.id,
            "CNI_NETNS": self.container.netns,
            "CNI_IFNAME": IFNAME,
            "CNI_PATH": path,
        }
        return self.call(program, environment, self._config(plugin, result))

    def _config(self, plugin: Plugin, result: Result | None) -> str:
        """Return what a plug-in reads: its part of the list, and what the runtime adds to it."""
        config = {**plugin.config, "name": self.chain.name, "cniVersion": self.chain.version}
        if result is not None:
            config["prevResult"] = json.loads(result.text)
        if plugin.maps_ports and self.container.ports:
            config["runtimeConfig"] = {"portMappings": _mappings(self.container)}
        return json.dumps(config)


def _mappings(container: PluginTarget) -> list[Json]:
    return [
        {
            "hostPort": published.host_port,
            "containerPort": published.port.number,
            "protocol": protocol,
            "hostIP": host,
        }
        for published in container.ports
        for protocol in published.port.protocols
        for host in container.hosts
    ]
