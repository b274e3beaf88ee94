"""The engine as a swarm: what state it is in, and a swarm of one node for the run alone."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError

from netbench.engines.docker.client import Clients
from netbench.engines.local_process import attempts
from netbench.errors import EngineError, Unsupported

_LOCAL: Final = "127.0.0.1"  # where our own swarm listens: no other machine can join it
NO_IPV6: Final = (
    "a swarm has no IPv6 networks: the engine makes one, but its manager hands out addresses of "
    "either family for either, so that endpoints fail at random (moby/moby#48116)"
)
GATEWAY: Final = "docker_gwbridge"  # bridge that is made for a swarm, and left there
MADE_GATEWAY: Final = "netbench.gwbridge"  # label: whether the bridge was made for it
_BUSY: Final = 10.0  # seconds until the bridge is there, and free of the swarm again
_POLL: Final = 0.1
_LEAVE: Final = "docker swarm leave --force"


def reason(state: Mapping[str, Any], *, wanted: bool) -> str | None:
    """Return why `Swarm` of `/info` permits no overlay network, with the fix; None if it does."""
    local, error = str(state.get("LocalNodeState")), str(state.get("Error") or "")
    if local == "locked":
        return "the engine's swarm is locked: docker swarm unlock"
    if local == "inactive":
        missing = "the engine is not a swarm manager: --init-swarm makes it one for the run"
        return None if wanted else missing
    if local != "active":
        return f"the engine's swarm is in state {local}: {error or 'no word'}; give it up: {_LEAVE}"
    if not state.get("ControlAvailable"):
        return (
            "the engine is a worker of its swarm, and only managers make networks: on a manager, "
            "docker node promote NODE"
        )
    if error:
        return (
            f"the engine's swarm has lost its manager: {error}; bring the other managers back, or "
            "on this node: docker swarm init --force-new-cluster"
        )
    return None


def state_of(clients: Clients) -> Mapping[str, Any]:
    """Return `Swarm` of an engine's `/info`."""
    with clients.lend("ask for the state of the swarm") as api:
        state: Mapping[str, Any] = api.info().get("Swarm") or {}
    return state


def without_gateway(networks: list[dict[str, Any]]) -> str:
    """Return the value of `MADE_GATEWAY` for an engine that has these networks before a swarm."""
    return str(not any(network["Name"] == GATEWAY for network in networks)).lower()


class Swarm:
    """Makes the engine a swarm when an overlay needs it, and undoes that."""

    def __init__(self, clients: Clients, labels: Mapping[str, str], *, wanted: bool) -> None:
        """Take `EngineOptions.init_swarm`."""
        self._clients = clients
        self._labels = labels
        self._wanted = wanted
        self._lock = threading.Lock()
        self._made = False

    def unavailable(self) -> str | None:
        """Return why there can be no overlay network, None if there can."""
        return reason(state_of(self._clients), wanted=self._wanted)

    def ensure(self) -> None:
        """Make the engine a swarm of one node if it is none; `Unsupported` if it may not be one."""
        with self._lock:
            state = state_of(self._clients)
            why = reason(state, wanted=self._wanted)
            if why:
                raise Unsupported(why)
            if state.get("LocalNodeState") == "inactive":
                self._init()

    def _init(self) -> None:
        try:
            with self._clients.lend("make the engine a swarm of one node") as api:
                labels = {**self._labels, MADE_GATEWAY: without_gateway(api.networks())}
                self._made = True
                api.init_swarm(
                    advertise_addr=_LOCAL,
                    listen_addr=f"{_LOCAL}:2377",
                    swarm_spec=api.create_swarm_spec(labels=labels),
                )
                # It must not make its own networks while others are made (`Networks.create`).
                for _ in attempts(_BUSY, _POLL):
                    if {GATEWAY, "ingress"} <= {network["Name"] for network in api.networks()}:
                        return
        except EngineError as error:
            raise Unsupported(error.message) from error

    def undo(self) -> None:
        """Leave the swarm that was made, if one was."""
        with self._lock:
            made, self._made = self._made, False
            if made:
                leave(self._clients, self._labels)


def found(clients: Clients) -> tuple[str, dict[str, str]] | None:
    """Return id and labels of the swarm that this engine manages, None if it manages none."""
    try:
        with clients.lend("look at the swarm") as api:
            swarm = api.inspect_swarm()
    except EngineError:
        return None
    return str(swarm["ID"]), dict(swarm["Spec"].get("Labels") or {})


def leave(clients: Clients, labels: Mapping[str, str]) -> None:
    """Leave the swarm if it carries these labels, and remove the bridge that came with it."""
    swarm = found(clients)
    if swarm is None or not labels.items() <= swarm[1].items():
        return
    with clients.lend("leave the swarm that netbench made") as api:
        listed: Callable[[], list[dict[str, Any]]] = api.services
        if services := [str(service["Spec"]["Name"]) for service in listed()]:
            raise EngineError(
                f"the swarm that netbench made serves others by now: {', '.join(services)}",
                hint=f"if they may go: {_LEAVE}",
            )
        api.leave_swarm(force=True)
    if swarm[1].get(MADE_GATEWAY) == "true":
        remove_gateway(clients)


def remove_gateway(clients: Clients) -> None:
    """Remove the bridge that a swarm made and left."""
    with clients.lend(f"remove network {GATEWAY}") as api:
        for _ in attempts(_BUSY, _POLL):
            with suppress(APIError):
                remove_network(api, GATEWAY)
                return
        remove_network(api, GATEWAY)


def remove_network(api: APIClient, network: str) -> None:
    """Remove a network, if it is there; of a swarm's, the error is another than `NotFound`."""
    try:
        api.remove_network(network)
    except APIError as error:
        if "not found" not in str(error.explanation).lower():
            raise
