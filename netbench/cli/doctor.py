"""`netbench doctor`: everything that is needed, what is missing, and the command that fixes it."""

import secrets
import shutil
import sys
from dataclasses import asdict, dataclass

from netbench.cli.output import print_json, print_rich
from netbench.cli.tables import table
from netbench.engines.choose import open_engine
from netbench.engines.cpus import local_topology
from netbench.errors import EngineUnavailable

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
    "nft": "nftables",
}
_OPTIONAL = {
    "ethtool": "without it offloads are absent from the facts of users who are not root",
    "nft": "without it the firewall's rules are absent from the facts",
}
_PROBES = ("iperf3", "sockperf")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str


def examine(*, as_json: bool) -> int:
    """Show every check; 4 where nothing can be measured, else 0."""
    engines = [_engine(kind) for kind in ("docker", "netns")]
    tools = [_tool(name) for name in _PACKAGES]
    checks = [_python(), *engines, *tools, _cores()]
    probes_here = all(check.ok for check in tools if check.name in _PROBES)
    measurable = any(check.ok for check in engines) and probes_here
    if as_json:
        rows = [asdict(check) for check in checks]
        print_json({"schema": 1, "measurable": measurable, "doctor": rows})
    else:
        _show(checks, measurable=measurable)
    return 0 if measurable else EngineUnavailable.exit_code


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


def _engine(kind: str) -> Check:
    try:
        engine = open_engine(kind, f"doctor{secrets.token_hex(3)}", None)
    except EngineUnavailable as exc:
        return Check(f"engine {kind}", ok=False, needed=False, found=exc.message, fix=exc.hint)
    try:
        facts = engine.facts()
        found = f"{facts.get('engine.name', kind)} {facts.get('engine.version', '')}".strip()
    finally:
        engine.close()
    return Check(f"engine {kind}", ok=True, needed=False, found=found, fix="")


def _tool(name: str) -> Check:
    path = shutil.which(name)
    if path:
        return Check(name, ok=True, needed=name not in _OPTIONAL, found=path, fix="")
    return Check(
        name,
        ok=False,
        needed=name not in _OPTIONAL,
        found=_OPTIONAL.get(name, "not on PATH"),
        fix=f"apt-get install {_PACKAGES[name]}",
    )


def _cores() -> Check:
    topology = local_topology()
    cores = len(topology.cores) or len(topology.usable)
    fix = "" if cores > 1 else "give this machine a second core; `cross` cells are skipped"
    return Check("cores", ok=cores > 1, needed=False, found=f"{cores} usable", fix=fix)
