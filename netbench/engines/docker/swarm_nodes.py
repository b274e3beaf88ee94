"""One swarm that two engines are in: found, or formed of the two for the run and undone."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from docker.errors import APIError, NotFound

from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import Maker, Sharing, created
from netbench.engines.docker.swarm import (
    GATEWAY,
    MADE_GATEWAY,
    leave,
    reason,
    remove_gateway,
    state_of,
    without_gateway,
)
from netbench.engines.local_process import attempts
from netbench.errors import EngineError, EngineLost, Unsupported
from netbench.spec import Node

MANAGED_BY: Final = "netbench.manager"  # label: id of the manager of the swarm that was joined
PORTS: Final = (("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789))
"""What a swarm with overlay networks needs: management, gossip both ways, VXLAN."""
_READY: Final = 30.0  # seconds until a node that has joined is ready
_POLL: Final = 0.1


class JointSwarm:
    """Finds or forms the swarm; safe to use from several threads."""

    def __init__(
        self,
        makers: Mapping[Node, Maker],
        *,
        wanted: bool,
        addresses: Callable[[], Mapping[Node, str]],
    ) -> None:
        """Take `EngineOptions.init_swarm`, and what tells the machines' addresses."""
        self._makers = makers
        self._wanted = wanted
        self._addresses = addresses
        self._lock = threading.RLock()
        self._joined: str | None = None  # the container that marks a node that was made to join
        self._formed = False
        self.manager = Node.FIRST

    def _clients(self, node: Node) -> Clients:
        return self._makers[node].clients

    def unavailable(self) -> str | None:
        """Return why there can be no overlay network, None if there can."""
        with self._lock:
            states = {node: state_of(self._clients(node)) for node in Node}
            active = [node for node in Node if states[node].get("LocalNodeState") != "inactive"]
            if not active:
                missing = "neither engine is in a swarm: --init-swarm forms one of the two"
                return None if self._wanted else missing
            if len(active) == 1:
                other = active[0].other
                return (
                    f"the {active[0]} engine is in a swarm and the {other} engine is not: on a "
                    "manager, docker swarm join-token worker tells the command to join it by"
                )
            for node in Node:
                if states[node].get("LocalNodeState") != "active":
                    return f"on the {node} machine: {reason(states[node], wanted=False)}"
            managers = [node for node in Node if states[node].get("ControlAvailable")]
            if not managers:
                return (
                    "neither engine is a manager of its swarm, and only managers make networks: "
                    "on a manager, docker node promote NODE"
                )
            return self._apart(managers[0], states)

    def _apart(self, manager: Node, states: Mapping[Node, Mapping[str, Any]]) -> str | None:
        """Return why a manager cannot make networks for both."""
        self.manager = manager
        if why := reason(states[manager], wanted=False):
            return why
        if error := states[manager.other].get("Error"):
            return f"the {manager.other} engine has lost its swarm's manager: {error}"
        with self._clients(manager).lend("list the nodes of the swarm") as api:
            known = {str(node["ID"]) for node in api.nodes()}
        if states[manager.other].get("NodeID") not in known:
            return "the engines are in two swarms: one must leave its own and join the other's"
        return None

    def ensure(self) -> None:
        """Form a swarm of the two if neither is in one; `Unsupported` if that may not be."""
        with self._lock:
            if why := self.unavailable():
                raise Unsupported(why)
            if state_of(self._clients(Node.FIRST)).get("LocalNodeState") == "inactive":
                try:
                    self._form(self._addresses())
                except EngineError as error:
                    raise Unsupported(error.message) from error

    def _form(self, addresses: Mapping[Node, str]) -> None:
        self.manager = Node.FIRST
        here, there = addresses[Node.FIRST], addresses[Node.PEER]
        maker = self._makers[Node.FIRST]
        with self._clients(Node.FIRST).lend("make the first engine a swarm") as api:
            labels = {**maker.labels, MADE_GATEWAY: without_gateway(api.networks())}
            self._formed = True
            api.init_swarm(
                advertise_addr=here,
                listen_addr=f"{here}:2377",
                data_path_addr=here,
                swarm_spec=api.create_swarm_spec(labels=labels),
            )
            token = api.inspect_swarm()["JoinTokens"]["Worker"]
            manager = str(api.info()["Swarm"]["NodeID"])
        doing = f"make the peer engine join the swarm at {here}:2377"
        with self._clients(Node.PEER).lend(doing) as api:
            self._joined = self._mark(manager, without_gateway(api.networks()))
            api.join_swarm(
                [f"{here}:2377"],
                token,
                listen_addr=f"{there}:2377",
                advertise_addr=there,
                data_path_addr=there,
            )
        self._await()

    def _mark(self, manager: str, new: str) -> str:
        """Make a container that never starts: what `clean` knows the joined node by."""
        maker = self._makers[Node.PEER]
        order = maker.order("swarm", Sharing("none"))
        return created(maker, order, {MANAGED_BY: manager, MADE_GATEWAY: new})

    def _await(self) -> None:
        """Wait until both are ready: neither may make its own networks while others are made."""
        for _ in attempts(_READY, _POLL):
            with self._clients(Node.FIRST).lend("list the nodes of the swarm") as api:
                ready = [one for one in api.nodes() if one["Status"].get("State") == "ready"]
            networks = []
            for node in Node:
                with self._clients(node).lend("list networks") as api:
                    networks.append({str(network["Name"]) for network in api.networks()})
            if len(ready) == len(Node) and all({GATEWAY, "ingress"} <= own for own in networks):
                return
        raise EngineError(
            f"the peer engine joined the swarm and was not ready within {_READY:.0f} s: 2377/tcp "
            "and 7946/tcp must be open between the machines"
        )

    def undo(self) -> None:
        """Leave the swarm that was formed, if one was: first its worker, then its manager."""
        with self._lock:
            joined, self._joined = self._joined, None
            formed, self._formed = self._formed, False
            try:
                if joined is not None:
                    with suppress(EngineLost):
                        leave_joined(self._makers[Node.PEER], joined)
            finally:
                if formed:
                    leave(self._clients(Node.FIRST), self._makers[Node.FIRST].labels)


def leave_joined(maker: Maker, container: str) -> None:
    """Leave the swarm that this engine was made to join, as `container` says; then remove that.

    A swarm of another manager is not netbench's.
    """
    clients = maker.clients
    with clients.lend("leave the swarm that netbench joined") as api:
        try:
            labels = api.inspect_container(container)["Config"]["Labels"] or {}
        except NotFound:
            return
        swarm = api.info().get("Swarm") or {}
        # Of a manager that it has not heard of yet it has the address alone.
        managers = {one["NodeID"] for one in swarm.get("RemoteManagers") or () if one["NodeID"]}
        state = swarm.get("LocalNodeState")
        failed = not managers and state in ("pending", "error")  # it never got in
        ours = labels.get(MANAGED_BY) in managers and not swarm.get("ControlAvailable")
        if (ours or failed) and state != "inactive":
            with suppress(APIError):  # it may be gone from it by now
                api.leave_swarm(force=True)
    if (ours or failed) and labels.get(MADE_GATEWAY) == "true":
        remove_gateway(clients)
    maker.remove(container)
