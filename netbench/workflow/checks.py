"""What can run here, found by trying: engines, tools, kernel and drivers."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path as File
from typing import Final

from msgspec import DecodeError, Struct, json

from netbench.documents import CheckRow, DoctorDocument, DriverRow, DriversDocument, ProbeRow
from netbench.drivers import DRIVERS, Driver, cni, plugin
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.engines.local_process import call, cpu_topology
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan.drivers import third_party_problems
from netbench.probes import PROBES
from netbench.spec import CNI_PATH, Path
from netbench.system.files import LOCAL
from netbench.system.interrupts import deferred_signals
from netbench.workflow.node_checks import peer_checks
from netbench.workflow.options import Observer

_PACKAGES = {
    "iperf3": "iperf3",
    "sockperf": "sockperf",
    "ip": "iproute2",
    **dict.fromkeys(("taskset", "nsenter", "unshare", "setpriv"), "util-linux"),
    "timeout": "coreutils",
    "pkill": "procps",
    "ethtool": "ethtool",
    "netperf": "netperf",
    "socat": "socat",
    "nft": "nftables",
    "docker-proxy": "docker.io",
}
_OPTIONAL = {
    "ethtool": "without it offloads are absent from the facts of users who are not root",
    "netperf": "without it no connection rate: tcp-crr is skipped",
    "socat": "without it no `netbench verify`, and no probe image for docker",
    "nft": "without it netns publishes no ports, and rules are absent from the facts",
    "docker-proxy": "without it netns has no published=proxy",
}
_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin:/usr/libexec/docker:/usr/lib/docker"
"""Where some of the optional ones lie, beside an ordinary user's PATH."""
_KERNEL = {"macvlan": "macvlan:bridge", "ipvlan": "ipvlan:l2", "vxlan": "overlay"}
"""Kinds of link that not every kernel has, each with a driver that needs it."""
_PROBES = ("iperf3", "sockperf")
_OPEN: Final = (
    ("plugin:NAME", "docker", plugin("NAME"), "where the engine lists NAME"),
    (
        "cni:CONFLIST",
        "netns",
        cni("CONFLIST", "", publishes=True),
        "where the plug-ins that CONFLIST names are installed",
    ),
)
"""Drivers whose name the user completes, each with the one engine that makes it."""


def examine(options: EngineOptions) -> DoctorDocument:
    """Check everything that a run needs; `options` may name the docker engine's context."""
    docker, _ = _engine("docker", replace(options, peer_context=None))
    netns, kernel = _engine("netns", EngineOptions())
    tools = [_tool(name) for name in _PACKAGES]
    version = ".".join(map(str, sys.version_info[:3]))
    python = CheckRow("python", ok=True, needed=True, found=version, fix="")
    peers = peer_checks(options) if options.peer_context is not None else ()
    here = [*tools, _plugins(), *kernel, _cores(), bridge_mtu()]
    checks = [python, docker, netns, *here, *peers]
    probes_here = all(check.ok for check in tools if check.name in _PROBES)
    measurable = (docker.ok or netns.ok) and probes_here
    return DoctorDocument(1, measurable, checks)


def _engine(kind: str, options: EngineOptions) -> tuple[CheckRow, list[CheckRow]]:
    """Return whether an engine answers, and, tried with it, what links its kernel has."""
    name = f"engine {kind}"
    try:
        engine = open_engine(kind, f"doctor{secrets.token_hex(3)}", options)
    except EngineUnavailable as exc:
        untried = f"not tried: the {kind} engine cannot be used"
        return _missing(name, exc.message, exc.hint), [
            _missing(f"kernel {link}", untried, exc.hint) for link in _KERNEL
        ]
    try:
        facts = engine.facts()
        found = f"{facts.get('engine.name', kind)} {facts.get('engine.version', '')}".strip()
        kernel = [_tried(engine, link) for link in _KERNEL] if kind == "netns" else []
    finally:
        engine.close()
    return CheckRow(name, ok=True, needed=False, found=found, fix=""), kernel


def _tried(engine: Engine, link: str) -> CheckRow:
    try:
        reason = engine.unsupported(DRIVERS[_KERNEL[link]].recipe, Path.EAST_WEST)
    except ENGINE_FAILURES as exc:
        reason = str(exc)
    if reason is None:
        return CheckRow(f"kernel {link}", ok=True, needed=False, found="tried: works", fix="")
    module = f"modprobe {link}; where there is no such module, a kernel that has it"
    return _missing(f"kernel {link}", reason, module)


def _missing(name: str, found: str, fix: str) -> CheckRow:
    return CheckRow(name, ok=False, needed=False, found=found, fix=fix)


def _tool(name: str) -> CheckRow:
    folders = os.environ.get("PATH", "") + (f":{_FOLDERS}" if name in _OPTIONAL else "")
    path = shutil.which(name, path=folders)
    return CheckRow(
        name,
        ok=path is not None,
        needed=name not in _OPTIONAL,
        found=path or _OPTIONAL.get(name, "not on PATH"),
        fix="" if path else f"apt-get install {_PACKAGES[name]}",
    )


def _plugins() -> CheckRow:
    folders = (os.environ.get("CNI_PATH") or CNI_PATH).split(":")
    found = [folder for folder in folders if folder and (File(folder) / "bridge").is_file()]
    if found:
        return CheckRow("CNI plug-ins", ok=True, needed=False, found=", ".join(found), fix="")
    return _missing(
        "CNI plug-ins",
        f"none in {', '.join(folders)}: no cni: driver",
        "apt-get install containernetworking-plugins, or set CNI_PATH",
    )


def _cores() -> CheckRow:
    topology = cpu_topology(LOCAL)
    cores = len(topology.cores) or len(topology.usable)
    fix = "" if cores > 1 else "give this machine a second core; `cross` cells are skipped"
    return CheckRow("cores", ok=cores > 1, needed=False, found=f"{cores} usable", fix=fix)


def bridge_mtu() -> CheckRow:
    """Return whether a bridge of this namespace has a larger MTU than the link to the outside."""
    name = "MTU of bridges"
    try:
        links = json.decode(call("ip", "-j", "-d", "link", "show").stdout, type=list[_Shown])
        routes = json.decode(call("ip", "-j", "route", "show", "default").stdout, type=list[_Way])
    except DecodeError:
        return _missing(name, "unreadable: `ip -j` printed no JSON", "apt-get install iproute2")
    mtus = {link.ifname: link.mtu for link in links}
    uplink = next((route.dev for route in routes if route.dev in mtus), None)
    if uplink is None:
        return _fine(name, "no default route here, so nothing lies below")
    bridges = [one.ifname for one in links if one.linkinfo.info_kind == "bridge"]
    larger = [f"{one} {mtus[one]}" for one in bridges if mtus[one] > mtus[uplink]]
    if not larger:
        return _fine(name, f"none above {mtus[uplink]}, that of {uplink}, by which packets leave")
    fix = (
        f'"mtu": {mtus[uplink]} in /etc/docker/daemon.json for the default bridge, and '
        f"-o com.docker.network.driver.mtu={mtus[uplink]} for each network"
    )
    below = f"{uplink}, by which packets leave, carries {mtus[uplink]}"
    return _missing(name, f"{', '.join(larger)}: {below}; connections may hang", fix)


def _fine(name: str, found: str) -> CheckRow:
    return CheckRow(name, ok=True, needed=False, found=found, fix="")


class _Kind(Struct, frozen=True):
    """A part of what `ip -d -j link` prints."""

    info_kind: str | None = None


class _Shown(Struct, frozen=True):
    """A link as `ip -d -j link` prints it."""

    ifname: str
    mtu: int
    linkinfo: _Kind = _Kind()


class _Way(Struct, frozen=True):
    """A route as `ip -j route` prints it."""

    dev: str | None = None


def possible_drivers(kind: str, options: EngineOptions, observer: Observer) -> DriversDocument:
    """Return every driver, whether it can run here, and every probe; the engine's errors as is.

    Raises ConfigurationError with everything that other distributions add and that is broken.
    """
    if problems := third_party_problems():
        raise ConfigurationError(*problems)
    run = f"list{secrets.token_hex(3)}"
    live = open_engine(kind, run, options)
    try:
        with _undone(live, run):
            rows = [_tried_driver(live, driver) for driver in DRIVERS.values()]
        observer.inform(f"engine: {live.name} ({live.why})")
    finally:
        live.close()
    return DriversDocument(1, live.name, [*rows, *_open(live.name)], [*map(_probe, PROBES)])


def _probe(name: str) -> ProbeRow:
    kind, origin = PROBES[name], PROBES.origin(name)
    metrics = list(kind().metrics)
    return ProbeRow(name, kind.tool, kind.summary, metrics, origin.distribution, origin.version)


def _open(engine: str) -> Iterator[DriverRow]:
    for name, made_by, driver, depends in _OPEN:
        elsewhere = f"for the {made_by} engine: --engine {made_by}"
        possible, reason = (None, depends) if engine == made_by else (False, elsewhere)
        yield _row(driver, name, possible=possible, reason=reason)


def _tried_driver(engine: Engine, driver: Driver) -> DriverRow:
    try:
        reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    except EngineError as exc:
        reason = exc.message
    return _row(driver, driver.name, possible=reason is None, reason=reason or "")


def _row(driver: Driver, name: str, *, possible: bool | None, reason: str) -> DriverRow:
    origin = DRIVERS.origin(name)
    return DriverRow(
        name,
        possible,
        reason,
        driver.summary,
        driver.isolates,
        sorted(driver.options),
        origin.distribution,
        origin.version,
    )


@contextmanager
def _undone(engine: Engine, run: str) -> Iterator[None]:
    """Remove what the engine makes to try things with, the probe image included."""
    before = {thing.id for thing in engine.owned() if thing.kind == "image"}
    try:
        yield
    finally:
        with deferred_signals():
            for thing in engine.owned(run):
                engine.remove_owned(thing)
            for thing in engine.owned():
                if thing.kind == "image" and thing.id not in before:
                    with suppress(*ENGINE_FAILURES):  # another netbench may use it by now
                        engine.remove_owned(thing)
