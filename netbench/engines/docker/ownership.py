"""Labels: what is ours, and whether the process that made it still runs."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from docker.errors import NotFound

from netbench.engines.base import Owned
from netbench.engines.docker import bridges, endpoints, network_info, swarm
from netbench.engines.docker.client import Clients
from netbench.engines.docker.veth import cut_wires
from netbench.engines.owner import maker_lives, this_process

RUN: Final = "netbench.run"
"""Label with the run's id, on every container and network."""
OWNER: Final = "netbench.owner"
"""Label that says which process made it."""
IMAGE: Final = "netbench.image"
"""Label of a probe image; it belongs to no run."""


def labels(run: str) -> dict[str, str]:
    """Return the labels of everything made for a run."""
    return {RUN: run, OWNER: this_process()}


def owned(clients: Clients, run: str | None) -> tuple[Owned, ...]:
    """List by label alone; images, which belong to no run, only where no run is named.

    A run made on another machine, whose process cannot be seen from here, counts as live while
    one of its containers runs. What has no label, a bridge or an endpoint that the engine
    forgot, is told by its name or address.
    """
    label = RUN if run is None else f"{RUN}={run}"
    with clients.lend("list what is ours") as api:
        containers = _ours(api.containers(all=True, filters={"label": label}), run)
        networks = _ours(api.networks(filters={"label": label}), run)
        images = api.images(filters={"label": IMAGE}) if run is None else []
    running = {c["Labels"][RUN] for c in containers if c["State"] == "running"}

    def live(found: dict[str, str]) -> bool:
        alive = maker_lives(found.get(OWNER, ""))
        return found[RUN] in running if alive is None else alive

    named = (
        *(
            Owned("container", c["Id"], _name(c), c["Labels"][RUN], live(c["Labels"]))
            for c in containers
        ),
        *(
            Owned("network", n["Id"], n["Name"], n["Labels"][RUN], live(n["Labels"]))
            for n in networks
        ),
        *_swarm(clients, run, live),
    )
    return (
        *named,
        *_forgotten(clients, run, {bridges.stem(thing.run) for thing in named if thing.live}),
        *(Owned("image", i["Id"], (i["RepoTags"] or [i["Id"]])[0], "", live=False) for i in images),
    )


def _ours(found: list[dict[str, Any]], run: str | None) -> list[dict[str, Any]]:
    """Return what carries our label by its own word too: what is listed here may be removed.

    Seen: a network that another client was just making, listed although it had no label.
    """
    marks = [(thing, (thing["Labels"] or {}).get(RUN)) for thing in found]
    return [thing for thing, mark in marks if mark is not None and run in (None, mark)]


def _swarm(
    clients: Clients, run: str | None, live: Callable[[dict[str, str]], bool]
) -> tuple[Owned, ...]:
    found = swarm.found(clients)
    mark = found[1].get(RUN) if found else None
    if found is None or mark is None or run not in (None, mark):
        return ()
    return (Owned("swarm", found[0], "the swarm of this engine", mark, live(found[1])),)


def _forgotten(clients: Clients, run: str | None, live: set[str]) -> Iterator[Owned]:
    for one in bridges.forgotten(clients):
        if run is None or not one.is_bridge or one.name.startswith(bridges.stem(run)):
            kind: Literal["bridge", "rules"] = "bridge" if one.is_bridge else "rules"
            what = f"{one.name}, of no {'network' if one.is_bridge else 'container'}"
            mine = run if run and one.is_bridge else ""
            alive = any(map(one.name.startswith, live))
            yield Owned(kind, one.name, f"{what} (firewall rules: {len(one.rules)})", mine, alive)


def _name(container: dict[str, Any]) -> str:
    return str(container["Names"][0]).lstrip("/") if container["Names"] else str(container["Id"])


def remove(clients: Clients, thing: Owned) -> None:
    """Remove one of `owned`; quietly nothing where it is gone already."""
    if thing.kind == "swarm":
        swarm.leave(clients, {RUN: thing.run})
        return
    if thing.kind in ("bridge", "rules"):
        bridges.remove(clients, thing.id)
        return
    if thing.kind == "container":
        cut_wires(clients, thing.id)
        endpoints.remove(clients, thing.id)
        return
    with clients.lend(f"remove {thing.kind} {thing.name}") as api:
        try:
            if thing.kind == "network":
                network_info.remove(api, thing.id)
            else:
                api.remove_image(thing.id)
        except NotFound:
            return
