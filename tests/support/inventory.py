"""Everything that a run could leave behind on an engine's host, to be compared before and after."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import docker
from support.dockerd import Lab
from support.walks import CGROUPS, folders

_COUNTER = re.compile(r"\[\d+:\d+\]")
_CONTAINERS_OWN = re.compile(r"veth[0-9a-f]{7}")
"""Links that the daemon names: they come and go with its containers, which are counted. Killed
while it starts a container it may leave one for good, whoever asked for the container."""


def inventory(lab: Lab) -> dict[str, Any]:
    """Return links, addresses, routes, namespaces, engine objects, firewall rules and processes.

    Packet counters are left out, and so is the daemon's own household: what it keeps of containers
    that are gone for a few seconds more (files of sandboxes), and its threads.
    """
    return {
        "links": _links(lab),
        "routes": _routes(lab),
        "iptables": _rules(lab, "iptables-save"),
        "ip6tables": _rules(lab, "ip6tables-save"),
        "processes": _processes(lab),
        "network namespaces": len(_namespaces(lab)),
        "cgroups": _groups(lab),
        **_engine(lab),
    }


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is not as it was."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def _links(lab: Lab) -> list[tuple[str, str]]:
    rows = json.loads(lab.inside("ip", "-j", "-d", "link"))
    return sorted(
        (row["ifname"], row.get("linkinfo", {}).get("info_kind", ""))
        for row in rows
        if not _CONTAINERS_OWN.fullmatch(row["ifname"])
    )


def _routes(lab: Lab) -> list[str]:
    """Routes but those that the kernel makes and drops with a bridge's carrier."""
    lines = lab.inside("ip", "route", "show", "table", "all").splitlines()
    kept = (line for line in lines if not re.search(r"\b(fe80|ff00|anycast)", line))
    return sorted(line.replace("linkdown", "").rstrip() for line in kept)


def _rules(lab: Lab, tool: str) -> list[str]:
    lines = lab.inside(tool).splitlines()
    return sorted(_COUNTER.sub("", line) for line in lines if not line.startswith("#"))


def _members(lab: Lab) -> list[Path]:
    """Processes in the lab's cgroup (containers) or mount namespace (the daemon and its own)."""
    mounts = Path(f"/proc/{lab.holder}/ns/mnt").readlink()
    name = f"netbench-lab-{lab.holder}"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = (folder / "ns/mnt").readlink() == mounts
            if mine or name in (folder / "cgroup").read_text():
                found.append(folder)
        except OSError:
            continue
    return found


def _processes(lab: Lab) -> dict[str, int]:
    names: Counter[str] = Counter()
    for folder in _members(lab):
        try:
            names[(folder / "comm").read_text().strip()] += 1
        except OSError:
            continue
    return dict(names)


def _namespaces(lab: Lab) -> set[str]:
    found = set()
    for folder in _members(lab):
        try:
            found.add(str((folder / "ns/net").readlink()))
        except OSError:
            continue
    return found


def _groups(lab: Lab) -> list[str]:
    """Cgroups of containers."""
    ours = f"/netbench-lab-{lab.holder}/"
    return sorted(str(path) for path in folders(CGROUPS, "*") if ours in str(path))


def _engine(lab: Lab) -> dict[str, Any]:
    client = docker.APIClient(base_url=f"unix://{lab.socket}")
    try:
        return {
            "containers": len(client.containers(all=True)),
            "networks": sorted(network["Name"] for network in client.networks()),
            "swarm": client.info()["Swarm"]["LocalNodeState"],
        }
    finally:
        client.close()
