"""Which states of two engines let a swarm of both carry overlay networks, and what each says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from netbench.engines.docker.endpoints import Maker
from netbench.engines.docker.swarm_nodes import JointSwarm
from netbench.errors import Unsupported
from netbench.spec import Node

State = Mapping[str, Any]
OUT: State = {"LocalNodeState": "inactive", "NodeID": "", "ControlAvailable": False}
MANAGER: State = {"LocalNodeState": "active", "NodeID": "one", "ControlAvailable": True}
WORKER: State = {"LocalNodeState": "active", "NodeID": "two", "ControlAvailable": False}
LOCKED: State = {**OUT, "LocalNodeState": "locked"}


class StateApi:
    """What an engine's API says of its swarm, and nothing else."""

    def __init__(self, state: State, nodes: tuple[str, ...]) -> None:
        self.state = state
        self.known = nodes

    def info(self) -> Mapping[str, Any]:
        return {"Swarm": self.state}

    def nodes(self) -> list[Mapping[str, Any]]:
        assert self.state.get("ControlAvailable"), "only a manager lists nodes"
        return [{"ID": node} for node in self.known]


def maker(state: State, nodes: tuple[str, ...]) -> Maker:
    @contextmanager
    def lend(doing: str) -> Iterator[StateApi]:
        assert doing
        yield StateApi(state, nodes)

    return cast("Maker", SimpleNamespace(clients=SimpleNamespace(lend=lend), labels={}))


def joint(
    first: State, peer: State, *, wanted: bool = False, nodes: tuple[str, ...] = ("one", "two")
) -> JointSwarm:
    makers = {Node.FIRST: maker(first, nodes), Node.PEER: maker(peer, nodes)}
    return JointSwarm(
        makers,
        wanted=wanted,
        addresses=lambda: {Node.FIRST: "192.0.2.1", Node.PEER: "192.0.2.2"},
    )


def test_two_engines_in_no_swarm_form_one_if_they_may() -> None:
    assert joint(OUT, OUT, wanted=True).unavailable() is None
    assert joint(OUT, OUT).unavailable() == (
        "neither engine is in a swarm: --init-swarm forms one of the two"
    )


@pytest.mark.parametrize(
    ("first", "peer", "manager"),
    [
        (MANAGER, WORKER, Node.FIRST),
        (WORKER, MANAGER, Node.PEER),
        (MANAGER, {**MANAGER, "NodeID": "two"}, Node.FIRST),
    ],
)
@pytest.mark.parametrize("wanted", [True, False])
def test_a_swarm_of_both_is_used_by_its_manager(
    first: State, peer: State, manager: Node, wanted: bool
) -> None:
    swarm = joint(first, peer, wanted=wanted)

    assert swarm.unavailable() is None
    assert swarm.manager is manager


@pytest.mark.parametrize(
    ("first", "peer", "words"),
    [
        (MANAGER, OUT, "the first engine is in a swarm and the peer engine is not"),
        (OUT, MANAGER, "the peer engine is in a swarm and the first engine is not"),
        (OUT, WORKER, "docker swarm join-token worker"),
        (WORKER, {**WORKER, "NodeID": "one"}, "neither engine is a manager of its swarm"),
        (LOCKED, LOCKED, "on the first machine: the engine's swarm is locked: docker swarm unlock"),
        (MANAGER, LOCKED, "on the peer machine: the engine's swarm is locked"),
        (LOCKED, WORKER, "on the first machine: the engine's swarm is locked"),
        (
            {**MANAGER, "LocalNodeState": "error", "Error": "no quorum"},
            WORKER,
            "on the first machine: the engine's swarm is in state error: no quorum",
        ),
        (
            MANAGER,
            {**WORKER, "LocalNodeState": "pending"},
            "on the peer machine: the engine's swarm is in state pending: no word",
        ),
        (
            {**MANAGER, "Error": "rpc error"},
            WORKER,
            "the engine's swarm has lost its manager: rpc error",
        ),
        (
            MANAGER,
            {**WORKER, "Error": "rpc error"},
            "the peer engine has lost its swarm's manager: rpc error",
        ),
    ],
)
@pytest.mark.parametrize("wanted", [True, False])
def test_what_two_engines_lack_is_said_with_the_fix(
    first: State, peer: State, words: str, wanted: bool
) -> None:
    """`--init-swarm` takes no swarm of the user's for its own."""
    swarm = joint(first, peer, wanted=wanted)
    why = swarm.unavailable()

    assert why is not None
    assert words in why
    with pytest.raises(Unsupported, match=r"engine"):
        swarm.ensure()


def test_engines_in_two_swarms_are_told_apart() -> None:
    stranger = {**WORKER, "NodeID": "elsewhere"}

    assert joint(MANAGER, stranger).unavailable() == (
        "the engines are in two swarms: one must leave its own and join the other's"
    )


def test_nothing_is_undone_that_was_not_formed() -> None:
    swarm = joint(MANAGER, WORKER)
    swarm.ensure()
    swarm.undo()
