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

from netbench.documents import CheckRow, DoctorDocument, DriverRow, DriversDocument
from netbench.drivers import DRIVERS, Driver, cni, plugin
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.engines.local_process import cpu_topology
from netbench.errors import ENGINE_FAILURES, EngineError, EngineUnavailable
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
    checks = [python, docker, netns, *tools, _plugins(), *kernel, _cores(), *peers]
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


def possible_drivers(kind: str, options: EngineOptions, observer: Observer) -> DriversDocument:
    """Return every driver, and whether it can run here; errors of the engine as they come."""
    run = f"list{secrets.token_hex(3)}"
    live = open_engine(kind, run, options)
    try:
        with _undone(live, run):
            rows = [_tried_driver(live, driver) for driver in DRIVERS.values()]
        observer.inform(f"engine: {live.name} ({live.why})")
    finally:
        live.close()
    return DriversDocument(1, live.name, [*rows, *_open(live.name)])


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
    options = sorted(driver.options)
    return DriverRow(name, possible, reason, driver.summary, driver.isolates, options)


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
