"""`netbench doctor`: everything that is needed, what is missing, and the command that fixes it."""

import os
import secrets
import shutil
import sys
from pathlib import Path as File

from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich, table
from netbench.documents import CheckRow, DoctorDocument
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


def doctor(context: shared.Context = None, as_json: shared.Json = False) -> int:
    """Check everything that is needed; say what is missing and the command that fixes it.

    Exit code 4 if nothing can be measured.
    """
    docker, _ = _engine("docker", EngineOptions(context=context))
    netns, kernel = _engine("netns", EngineOptions())
    tools = [_tool(name) for name in _PACKAGES]
    version = ".".join(map(str, sys.version_info[:3]))
    python = CheckRow("python", ok=True, needed=True, found=version, fix="")
    checks = [python, docker, netns, *tools, _plugins(), *kernel, _cores()]
    probes_here = all(check.ok for check in tools if check.name in _PROBES)
    measurable = (docker.ok or netns.ok) and probes_here
    if as_json:
        print_json(DoctorDocument(1, measurable, checks))
    else:
        shown = table("", "check", "found", "fix")
        for check in checks:
            mark = "ok" if check.ok else "MISSING" if check.needed else "optional"
            shown.add_row(mark, check.name, check.found, check.fix)
        print_rich(shown)
        print_rich("netbench can measure here" if measurable else "nothing can be measured here")
    return 0 if measurable else EngineUnavailable.exit_code


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
        reason = exc.message
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
    """Look for the folders that `cni:` takes plug-ins from."""
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
    topology = local_topology()
    cores = len(topology.cores) or len(topology.usable)
    fix = "" if cores > 1 else "give this machine a second core; `cross` cells are skipped"
    return CheckRow("cores", ok=cores > 1, needed=False, found=f"{cores} usable", fix=fix)
