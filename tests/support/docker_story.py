"""What a user does with the docker engine, to be told by root and by a user with a socket alone.

As a program: `docker_story.py STORY ENGINE UID GID` tells one as that user and prints JSON; ENGINE
is the path of a socket, or what DOCKER_HOST takes.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from support import held

from netbench.engines.base import Endpoint, Engine
from netbench.engines.docker import open_docker
from netbench.errors import EngineUnavailable
from netbench.spec import Attach, NetworkSpec, Port, Role


def state(engine: Engine, endpoint: Endpoint, command: str) -> str | None:
    """Return the kernel's state letter of a command in an endpoint, None where it is not there."""
    pid = engine.run(endpoint, ("pgrep", "-x", "-f", command), timeout=10).stdout.strip()
    if not pid:
        return None
    status = engine.run(endpoint, ("cat", f"/proc/{pid}/status"), timeout=10).stdout
    return status.partition("State:\t")[2][:1]


def becoming(engine: Engine, endpoint: Endpoint, command: str, wanted: str) -> str | None:
    """Return a command's state once it is the one that is wanted, or its last one after 5 s."""
    until = time.monotonic() + 5
    while (seen := state(engine, endpoint, command)) != wanted and time.monotonic() < until:
        pass
    return seen


def signals(engine: Engine) -> dict[str, Any]:
    """Stop, continue and kill a tool; return its states and how it ended."""
    endpoint = engine.create_endpoint(
        "story", Role.CLIENT, Attach.NONE, network=None, peer=None, cpus=()
    )
    try:
        tool = engine.start(endpoint, ("sleep", "1234"), cpu=0, limit=60)
        seen: dict[str, Any] = {"cpus": tool.cpus()}
        tool.signal("STOP")
        seen["stopped"] = becoming(engine, endpoint, "sleep 1234", "T")
        seen["alive"] = tool.alive()
        tool.signal("CONT")
        seen["continued"] = becoming(engine, endpoint, "sleep 1234", "S")
        tool.signal("KILL")
        seen["exit"] = tool.wait(20).exit_code
        seen["left"] = state(engine, endpoint, "sleep 1234")
        tool.signal("KILL")
        return seen
    finally:
        engine.remove_endpoint(endpoint)


def _told(place: str, tell: Callable[[Engine], dict[str, Any]]) -> dict[str, Any]:
    host = place if "://" in place else f"unix://{place}"
    try:
        engine = open_docker("story", environment={**os.environ, "DOCKER_HOST": host})
    except EngineUnavailable as error:
        return {"message": error.message, "hint": error.hint}
    try:
        engine.prepare()
        return {"local": engine.local, **tell(engine)}
    finally:
        engine.close()


def _abandon(engine: Engine) -> dict[str, Any]:
    """Make things and end without removing them, as a killed run does."""
    made = engine.create_endpoint(
        "left", Role.CLIENT, Attach.NONE, network=None, peer=None, cpus=()
    )
    return {"id": made.id}


def _outside(engine: Engine) -> dict[str, Any]:
    """Make a LAN with a macvlan on it and a published port, and try both from outside."""
    lan = engine.lan()
    network = engine.create_network("net", NetworkSpec("macvlan", mode="bridge"))
    given: dict[str, Any] = {"peer": None, "cpus": ()}
    child = engine.create_endpoint("child", Role.SERVER, Attach.NETWORK, network=network, **given)
    inner = engine.create_endpoint(
        "inner", Role.SERVER, Attach.DEFAULT, network=None, publish=(Port(20001),), **given
    )
    try:
        assert child.address
        return {
            "child": _answers(engine, child, lan.client, child.address, 20001),
            "published": _answers(
                engine, inner, lan.client, lan.host, inner.published[0].host_port
            ),
        }
    finally:
        engine.remove_endpoint(child)
        engine.remove_endpoint(inner)
        engine.remove_network(network)


def _answers(engine: Engine, server: Endpoint, client: Endpoint, address: str, port: int) -> bool:
    argv = ("socat", "TCP-LISTEN:20001,fork", "PIPE")
    serving = engine.start(server, argv, cpu=None, limit=60)
    try:
        script = f"sleep 1; echo word | socat -t1 -T2 - TCP:{address}:{port},connect-timeout=2"
        return engine.run(client, ("sh", "-c", script), timeout=20).stdout == "word\n"
    finally:
        serving.signal("KILL")


def _main() -> None:
    story, place, uid, gid = sys.argv[1:]
    os.setgroups([])
    os.setresgid(*[int(gid)] * 3)
    os.setresuid(*[int(uid)] * 3)
    print(json.dumps(_told(place, _STORIES[story])))  # noqa: T201


_STORIES = {
    "signals": signals,
    "abandon": _abandon,
    "outside": _outside,
    "ends": held.ends,
    "round_trips": held.round_trips,
    "stream": held.stream,
    "after_a_hold": held.after_a_hold,
    "left_held": held.left_held,
}

if __name__ == "__main__":
    _main()
