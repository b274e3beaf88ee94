"""`netbench doctor`: everything that is needed, what is missing, and the command that fixes it."""

import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path as File

import typer

from netbench.cli.commands.options import Context, Json
from netbench.cli.output import print_json, print_rich
from netbench.cli.tables import table
from netbench.documents.lists import CheckRow, DoctorDocument
from netbench.drivers import DRIVERS
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.engines.local_process import local_topology
from netbench.errors import ENGINE_FAILURES, EngineUnavailable
from netbench.spec import CNI_PATH, Path

_PACKAGES = {
    "iperf3": "iperf3",
    "sockperf": "sockperf",
    "ip": "iproute2",
    "taskset": "util-linux",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
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


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str


def examine(options: EngineOptions, *, as_json: bool) -> int:
    """Show every check; 4 where nothing can be measured, else 0.

    `options` may name the docker engine's context.
    """
    docker, _ = _engine("docker", options)
    netns, kernel = _engine("netns", EngineOptions())
    engines = [docker, netns]
    tools = [_tool(name) for name in _PACKAGES]
    checks = [_python(), *engines, *tools, _plugins(), *kernel, _cores()]
    probes_here = all(check.ok for check in tools if check.name in _PROBES)
    measurable = any(check.ok for check in engines) and probes_here
    if as_json:
        print_json(_document(checks, measurable=measurable))
    else:
        _show(checks, measurable=measurable)
    return 0 if measurable else EngineUnavailable.exit_code


def _document(checks: list[Check], *, measurable: bool) -> DoctorDocument:
    rows: list[CheckRow] = [
        {
            "name": check.name,
            "ok": check.ok,
            "needed": check.needed,
            "found": check.found,
            "fix": check.fix,
        }
        for check in checks
    ]
    return {"schema": 1, "measurable": measurable, "doctor": rows}


def _show(checks: list[Check], *, measurable: bool) -> None:
    shown = table("", "check", "found", "fix")
    for check in checks:
        mark = "ok" if check.ok else "MISSING" if check.needed else "optional"
        shown.add_row(mark, check.name, check.found, check.fix)
    print_rich(shown)
    print_rich("netbench can measure here" if measurable else "nothing can be measured here")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", ok=True, needed=True, found=version, fix="")


def _engine(kind: str, options: EngineOptions) -> tuple[Check, list[Check]]:
    """Return whether an engine answers, and, tried with it, what links its kernel has."""
    name = f"engine {kind}"
    try:
        engine = open_engine(kind, f"doctor{secrets.token_hex(3)}", options)
    except EngineUnavailable as exc:
        missing = Check(name, ok=False, needed=False, found=exc.message, fix=exc.hint)
        untried = f"not tried: the {kind} engine cannot be used"
        kernel = [_link(link, untried, fix=exc.hint) for link in _KERNEL]
        return missing, kernel
    try:
        facts = engine.facts()
        found = f"{facts.get('engine.name', kind)} {facts.get('engine.version', '')}".strip()
        kernel = [_tried(engine, link) for link in _KERNEL] if kind == "netns" else []
    finally:
        engine.close()
    return Check(name, ok=True, needed=False, found=found, fix=""), kernel


def _tried(engine: Engine, link: str) -> Check:
    try:
        reason = engine.unsupported(DRIVERS[_KERNEL[link]].recipe, Path.EAST_WEST)
    except ENGINE_FAILURES as exc:
        reason = exc.message
    if reason is None:
        return Check(f"kernel {link}", ok=True, needed=False, found="tried: works", fix="")
    module = f"modprobe {link}; where there is no such module, a kernel that has it"
    return _link(link, reason, fix=module)


def _link(link: str, reason: str, *, fix: str) -> Check:
    return Check(f"kernel {link}", ok=False, needed=False, found=reason, fix=fix)


def _tool(name: str) -> Check:
    folders = os.environ.get("PATH", "") + (f":{_FOLDERS}" if name in _OPTIONAL else "")
    path = shutil.which(name, path=folders)
    if path:
        return Check(name, ok=True, needed=name not in _OPTIONAL, found=path, fix="")
    return Check(
        name,
        ok=False,
        needed=name not in _OPTIONAL,
        found=_OPTIONAL.get(name, "not on PATH"),
        fix=f"apt-get install {_PACKAGES[name]}",
    )


def _plugins() -> Check:
    """Look for the folders that `cni:` takes plug-ins from."""
    folders = (os.environ.get("CNI_PATH") or CNI_PATH).split(":")
    found = [folder for folder in folders if folder and (File(folder) / "bridge").is_file()]
    return Check(
        "CNI plug-ins",
        ok=bool(found),
        needed=False,
        found=", ".join(found) or f"none in {', '.join(folders)}: no cni: driver",
        fix="" if found else "apt-get install containernetworking-plugins, or set CNI_PATH",
    )


def _cores() -> Check:
    topology = local_topology()
    cores = len(topology.cores) or len(topology.usable)
    fix = "" if cores > 1 else "give this machine a second core; `cross` cells are skipped"
    return Check("cores", ok=cores > 1, needed=False, found=f"{cores} usable", fix=fix)


def doctor(context: Context = None, as_json: Json = False) -> None:
    """Check everything that is needed; say what is missing and the command that fixes it.

    Exit code 4 if nothing can be measured.
    """
    raise typer.Exit(examine(EngineOptions(context=context), as_json=as_json))
