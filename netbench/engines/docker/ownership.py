"""What is netbench's on an engine: by label, or what an engine that was killed forgot.

Killed while it made a network, an engine forgets the bridge and rules that were ready; and of a
published port, the rule by which an endpoint reaches itself there. Links and rules carry no label:
names of bridges, and the subnets of addresses, tell whose they are.
"""

import hashlib
import itertools
import json
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final, Literal, TypeVar

from docker.errors import NotFound

from netbench.engines.base import Owned
from netbench.engines.docker import swarm
from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import OWNER, RUN, Maker
from netbench.engines.docker.image import IMAGE
from netbench.engines.docker.lan import WIRES, cut_wires
from netbench.engines.docker.swarm_nodes import MANAGED_BY, leave_joined
from netbench.engines.local_process import attempts, call
from netbench.engines.owner import maker_lives
from netbench.engines.subnets import BLOCK, BLOCK6
from netbench.errors import EngineError, FactError
from netbench.system.setns import in_netns

_SWARM: Final = "the swarm of this engine"
_JOINED: Final = "the swarm that this engine joined"
BRIDGE: Final = "com.docker.network.bridge.name"  # option of a network that names its bridge
_T = TypeVar("_T")
_OURS: Final = re.compile(r"br-nb[0-9a-f]{10}")
_TOOLS: Final = ("iptables", "ip6tables")
_CGROUPS: Final = "/sys/fs/cgroup"
_GONE: Final = 2.0  # seconds that processes which are killed may take to leave a group
_A_MOMENT: Final = 0.5  # seconds after which an engine lists a network whose bridge it has made


def owned(clients: Clients, run: str | None) -> tuple[Owned, ...]:
    """List by label; images, which belong to no run, only if no run is named.

    A run whose process cannot be seen from here counts as live while one of its containers runs.
    """
    label = RUN if run is None else f"{RUN}={run}"
    with clients.lend("list what netbench made") as api:
        every = api.containers(all=True, filters={"label": label})
        networks = api.networks(filters={"label": label})
        if any(network.get("Scope") == "swarm" for network in networks):
            # A worker lists them as long as it has an endpoint there; its manager removes them.
            manages = (api.info().get("Swarm") or {}).get("ControlAvailable")
            networks = [one for one in networks if manages or one.get("Scope") != "swarm"]
        images = api.images(filters={"label": IMAGE}) if run is None else []
    marks = [one for one in every if MANAGED_BY in (one["Labels"] or {})]
    # Wires are cut in the host's namespace, which ends with rootless Podman's last bridge.
    containers = sorted(
        (one for one in every if one not in marks),
        key=lambda one: WIRES not in (one["Labels"] or {}),
    )
    formed = swarm.found(clients)
    swarms = [{"Id": formed[0], "Name": _SWARM, "Labels": formed[1]}] if formed else []
    swarms += [{"Id": one["Id"], "Name": _JOINED, "Labels": one["Labels"]} for one in marks]
    live = [container for container in containers if container["State"] == "running"]
    running = {(container["Labels"] or {}).get(RUN) for container in live}
    labelled = (
        *_labelled("container", containers, run, running),
        *_labelled("network", networks, run, running),
        *_labelled("swarm", swarms, run, running),
    )
    named = ((image["Id"], (image["RepoTags"] or [image["Id"]])[0]) for image in images)
    return (
        *labelled,
        *_forgotten(clients, run, {thing.run for thing in labelled if thing.live}),
        *(Owned("image", image, name, "", live=False) for image, name in named),
    )


def _labelled(
    kind: Literal["container", "network", "swarm"],
    found: list[dict[str, Any]],
    run: str | None,
    running: set[str | None],
) -> Iterator[Owned]:
    """Yield what carries our label itself: a network was listed that had none, just being made."""
    for thing in found:
        labels = thing["Labels"] or {}
        mark = labels.get(RUN)
        if mark is not None and run in (None, mark):
            name = (thing.get("Names") or [thing.get("Name") or thing["Id"]])[0].lstrip("/")
            alive = maker_lives(labels.get(OWNER, ""))
            yield Owned(kind, thing["Id"], name, mark, mark in running if alive is None else alive)


def remove(maker: Maker, thing: Owned) -> None:
    """Remove one of `owned`; does nothing if it is gone already."""
    clients = maker.clients
    if thing.kind == "swarm" and thing.name == _JOINED:
        leave_joined(maker, thing.id)
    elif thing.kind == "swarm":
        swarm.leave(clients, {RUN: thing.run})
    elif thing.kind in ("bridge", "rules"):
        _remove_forgotten(clients, thing.id)
    elif thing.kind == "container":
        cut_wires(maker, thing.id)
        maker.remove(thing.id)
        _remove_groups(thing.id)
    else:
        with clients.lend(f"remove {thing.kind} {thing.name}") as api, suppress(NotFound):
            if thing.kind == "network":
                swarm.remove_network(api, thing.id)
            else:
                api.remove_image(thing.id)


def _remove_groups(container: str) -> None:
    """End and remove what an engine that was killed as it started a container has forgotten of it.

    Its processes may go on, and its cgroups stay; what is not this user's is left.
    """
    wanted = {container, f"docker-{container}.scope"}
    folders = [(Path(folder), wanted.intersection(names)) for folder, names, _ in os.walk(_CGROUPS)]
    groups = [folder / name for folder, names in folders for name in names]
    for _ in attempts(_GONE, 0.05):
        for group in groups:
            with suppress(OSError):
                for pid in map(int, (group / "cgroup.procs").read_text().split()):
                    if pid:  # 0 is one that is not visible from here
                        os.kill(pid, SIGKILL)
                group.rmdir()
        if not any(group.exists() for group in groups):
            return


def stem(run: str) -> str:
    """Return how the names of a run's bridges begin."""
    return f"br-nb{hashlib.sha256(run.encode()).hexdigest()[:5]}"


def bridge_names(run: str) -> Iterator[str]:
    """Yield names of 15 characters for a run's bridges, from anywhere: others may be left."""
    first = secrets.randbelow(16**5)
    return (f"{stem(run)}{number % 16**5:05x}" for number in itertools.count(first))


@dataclass(frozen=True, slots=True)
class _Rule:
    tool: str
    table: str
    words: tuple[str, ...]  # what follows `-A`: the chain, then the rule

    @property
    def _values(self) -> dict[str, str]:
        return dict(itertools.pairwise(self.words))

    @property
    def links(self) -> set[str]:
        """The links that it names."""
        return {value for option, value in self._values.items() if option in ("-i", "-o")}

    @property
    def port(self) -> tuple[str | None, ...]:
        """The endpoint's port that it is for: tool, address, protocol and number."""
        return (self.tool, *(self._values.get(option) for option in ("-d", "-p", "--dport")))

    @property
    def itself(self) -> str | None:
        """Address of our endpoint that reaches itself at a published port by this rule."""
        found = self._values
        if "-d" not in found or found.get("-j") != "MASQUERADE" or found.get("-s") != found["-d"]:
            return None
        alone = ip_interface(found["-d"]).ip
        return str(alone) if alone in BLOCK or alone in BLOCK6 else None


def _forgotten(clients: Clients, run: str | None, live: set[str]) -> Iterator[Owned]:
    """Yield what is left of netbench's bridges and endpoints that the engine does not know.

    It is looked for twice: what is being made or removed does not count. `live` are runs.
    """
    first = _unknown(clients)
    if not first:
        return
    time.sleep(_A_MOMENT)
    for name, rules in _unknown(clients).items():
        bridge = _OURS.fullmatch(name) is not None
        if name in first and (run is None or not bridge or name.startswith(stem(run))):
            what = f"of no {'network' if bridge else 'container'} (firewall rules: {len(rules)})"
            mark = run if run and bridge else ""
            alive = any(name.startswith(stem(one)) for one in live)
            yield Owned("bridge" if bridge else "rules", name, f"{name}, {what}", mark, alive)


def _unknown(clients: Clients) -> dict[str, list[_Rule]]:
    found = _inside(clients, _left)
    if not found:
        return {}
    with clients.lend("list networks") as api:
        known = {(network["Options"] or {}).get(BRIDGE) for network in api.networks()}
    return {name: rules for name, rules in found.items() if name not in known}


def _remove_forgotten(clients: Clients, name: str) -> None:
    def work() -> None:
        left = _left()
        rules = left.get(name, ())
        commands = [(rule.tool, "-w", "-t", rule.table, "-D", *rule.words) for rule in rules]
        if name in left and name in _bridges():
            commands.append(("ip", "link", "del", name))
        ended = [call(*command) for command in commands]
        refused = [done for done in ended if done.returncode != 0]
        if refused and name in _left():  # else the engine, being at it too, was the first
            raise EngineError(f"{shlex.join(refused[0].args)}: {refused[0].stderr.strip()}")

    _inside(clients, work)


def _inside(clients: Clients, work: Callable[[], _T]) -> _T | None:
    """Do something in the daemon's network namespace; None if that is not possible."""
    try:
        daemon = clients.target.daemon_pid()
        return None if daemon is None else in_netns(daemon, work)
    except (FactError, OSError):
        return None


def _left() -> dict[str, list[_Rule]]:
    """Return the rules of netbench's bridges that are not up, by name, and of its endpoints."""
    links = _bridges()
    rules = [rule for tool in _TOOLS for rule in _rules(tool)]
    named = {name for rule in rules for name in rule.links} | {*links}
    down = {name for name in named if _OURS.fullmatch(name) and not links.get(name)}
    served = {rule.port for rule in rules if rule.links - down}
    found = {name: [rule for rule in rules if name in rule.links] for name in sorted(down)}
    for rule in rules:
        if rule.itself and rule.port not in served:
            found.setdefault(rule.itself, []).append(rule)
    return found


def _bridges() -> dict[str, bool]:
    """Return the bridges of the calling thread's network namespace, and whether each is up."""
    printed = call("ip", "-j", "link", "show", "type", "bridge").stdout
    try:
        return {row["ifname"]: "UP" in row["flags"] for row in json.loads(printed or "[]")}
    except (ValueError, LookupError, TypeError):
        return {}


def _rules(tool: str) -> Iterator[_Rule]:
    """Yield every rule as the tool saves it; none if there is no such tool, or no rights."""
    table = ""
    for line in call(f"{tool}-save").stdout.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            yield _Rule(tool, table, tuple(shlex.split(line)[1:]))
