"""The engine as a swarm: what state it is in, and a swarm of one node for the run alone."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import docker
from docker.errors import APIError, NotFound

from netbench.engines.docker.client import Clients
from netbench.errors import EngineError, Unsupported

LOCAL: Final = "127.0.0.1"
"""Where our own swarm listens: no other machine can join it."""
_PORT: Final = 2377
_GATEWAY: Final = "docker_gwbridge"
"""The bridge that the engine makes for a swarm, and leaves there."""
_INGRESS: Final = "ingress"
_MADE_GATEWAY: Final = "netbench.gwbridge"
"""Label of our swarm that says whether the bridge was made for it."""
NO_IPV6: Final = (
    "a swarm has no IPv6 networks: the engine makes one, but its manager hands out addresses of "
    "either family for either, so that endpoints fail at random (moby/moby#48116)"
)
_BUSY: Final = 10.0
"""Seconds that the bridge may take to be there, and to be free of the swarm's own endpoint."""
_LEAVE: Final = "docker swarm leave --force"


def reason(state: Mapping[str, Any], *, wanted: bool) -> str | None:
    """Return why there can be no overlay network, with the fix; None where there can.

    Args:
        state: `Swarm` of the engine's `/info`.
        wanted: whether the engine may be made a swarm.
    """
    local, error = str(state.get("LocalNodeState")), str(state.get("Error") or "")
    if local == "locked":
        return "the engine's swarm is locked: docker swarm unlock"
    if local == "inactive":
        missing = "the engine is not a swarm manager: --init-swarm makes it one for the run"
        return None if wanted else missing
    if local == "active" and not state.get("ControlAvailable"):
        return (
            "the engine is a worker of its swarm, and only managers make networks: on a manager, "
            "docker node promote NODE"
        )
    if local == "active" and not error:
        return None
    if local == "active":
        return (
            f"the engine's swarm has lost its manager: {error}; bring the other managers back, or "
            "on this node: docker swarm init --force-new-cluster"
        )
    return f"the engine's swarm is in state {local}: {error or 'no word'}; give it up: {_LEAVE}"


class Swarm:
    """Makes the engine a swarm when an overlay needs it, and undoes that."""

    def __init__(self, clients: Clients, labels: Mapping[str, str], *, wanted: bool) -> None:
        """`wanted` tells whether the user lets us."""
        self._clients = clients
        self._labels = labels
        self._wanted = wanted
        self._lock = threading.Lock()
        self._made = False

    def unavailable(self) -> str | None:
        """Return why there can be no overlay network, None where there can."""
        return reason(self._state(), wanted=self._wanted)

    def _state(self) -> Mapping[str, Any]:
        with self._clients.lend("ask for the state of the swarm") as api:
            state: Mapping[str, Any] = api.info().get("Swarm") or {}
        return state

    def ensure(self) -> None:
        """Make the engine a swarm of one node where it is none.

        Raises:
            Unsupported: it cannot be one, or may not.
        """
        with self._lock:
            state = self._state()
            why = reason(state, wanted=self._wanted)
            if why:
                raise Unsupported(why)
            if state.get("LocalNodeState") == "inactive":
                self._init()

    def _init(self) -> None:
        try:
            with self._clients.lend("make the engine a swarm of one node") as api:
                new = not any(network["Name"] == _GATEWAY for network in api.networks())
                labels = {**self._labels, _MADE_GATEWAY: str(new).lower()}
                self._made = True
                api.init_swarm(
                    advertise_addr=LOCAL,
                    listen_addr=f"{LOCAL}:{_PORT}",
                    swarm_spec=api.create_swarm_spec(labels=labels),
                )
                _await_networks(api)
        except EngineError as error:
            raise Unsupported(error.message) from error

    def undo(self) -> None:
        """Leave the swarm that was made, quietly nothing where none was."""
        with self._lock:
            made, self._made = self._made, False
            if made:
                leave(self._clients, self._labels)


def _await_networks(api: docker.APIClient) -> None:
    """Wait a while for the networks that the engine makes for its swarm once it has answered.

    It must not make them while others are made (`Networks.create`).
    """
    deadline = time.monotonic() + _BUSY
    while time.monotonic() < deadline:
        if {_GATEWAY, _INGRESS} <= {network["Name"] for network in api.networks()}:
            return
        time.sleep(0.1)


def found(clients: Clients) -> tuple[str, dict[str, str]] | None:
    """Return id and labels of the swarm that this engine manages, None where it manages none."""
    try:
        with clients.lend("look at the swarm") as api:
            swarm = api.inspect_swarm()
    except EngineError:
        return None
    return str(swarm["ID"]), dict(swarm["Spec"].get("Labels") or {})


def leave(clients: Clients, labels: Mapping[str, str]) -> None:
    """Leave the swarm if it carries these labels, and remove the bridge that came with it.

    Raises:
        EngineError: others use it by now, or the engine refused.
    """
    swarm = found(clients)
    if swarm is None or not labels.items() <= swarm[1].items():
        return
    with clients.lend("leave the swarm that netbench made") as api:
        listed: Callable[[], list[dict[str, Any]]] = api.services
        services = [str(service["Spec"]["Name"]) for service in listed()]
        if services:
            raise EngineError(
                f"the swarm that netbench made serves others by now: {', '.join(services)}",
                hint=f"if they may go: {_LEAVE}",
            )
        api.leave_swarm(force=True)
    if swarm[1].get(_MADE_GATEWAY) == "true":
        _remove_gateway(clients)


def _remove_gateway(clients: Clients) -> None:
    deadline = time.monotonic() + _BUSY
    with clients.lend(f"remove network {_GATEWAY}") as api, suppress(NotFound):
        while True:
            try:
                return api.remove_network(_GATEWAY)
            except NotFound:
                raise
            except APIError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
