"""Facts of the engine's host and kernel, read once a run, wherever that host is."""

import re
from collections.abc import Mapping

from netbench.engines.base import Engine
from netbench.errors import EngineError
from netbench.facts.cpu_time import tick
from netbench.facts.host import FILES, firewall_facts, host_facts, no_firewall_facts
from netbench.facts.procfs import read_local
from netbench.record import Absent, FactValue
from netbench.system.files import text
from netbench.system.setns import in_netns, may_enter

_NET = "/proc/sys/net/"
"""These files show the network namespace of whoever reads them."""


def read_host_facts(engine: Engine, *, identify: bool) -> Mapping[str, FactValue]:
    """Return the host's, kernel's and engine's facts by registry name."""
    host = engine.host()
    firewall: Mapping[str, FactValue]
    if engine.local and may_enter(host.pid):
        net = in_netns(host.pid, lambda: {path: read_local(path) for path in _net_files()})
        firewall = in_netns(host.pid, firewall_facts)
    else:
        net = _from_inside(engine, _net_files())
        firewall = no_firewall_facts("the ruleset is for root on the engine's host to read")

    def read(path: str) -> str | None:
        return net.get(path) if path.startswith(_NET) else text(engine.files, path)

    facts = host_facts(read, identify=identify)
    untold = Absent("the kernel does not tell its tick")
    return {**facts, "kernel.tick": tick(engine.files) or untold, **firewall, **engine.facts()}


def _net_files() -> tuple[str, ...]:
    return tuple(path for path in FILES if path.startswith(_NET))


def _from_inside(engine: Engine, paths: tuple[str, ...]) -> dict[str, str | None]:
    """Read files in the engine's host namespaces, all by one command; absent ones are left out."""
    argv = ("head", "-v", "-n", "100000", *paths)
    try:
        text = engine.run(engine.host(), argv, timeout=20).stdout
    except EngineError:
        return {}
    parts = re.split(r"^==> (.+) <==$\n", text, flags=re.MULTILINE)
    return {path: body.rstrip("\n") for path, body in zip(parts[1::2], parts[2::2], strict=True)}
