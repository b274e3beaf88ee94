"""What tests of the docker engine do with endpoints again and again."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support.dockerd import Lab
from support.hang import HANG

from netbench.engines.base import Endpoint
from netbench.engines.docker import DockerEngine
from netbench.spec import Attach, Role

ROOT = Path(__file__).parents[2]
_WORD = "netbench-was-here"


def make(
    engine: DockerEngine, attach: Attach = Attach.NONE, name: str = "one", **more: Any
) -> Endpoint:
    """Make an endpoint with nothing but what is given."""
    given: dict[str, Any] = {"network": None, "peer": None, "cpus": (), **more}
    return engine.create_endpoint(name, Role.CLIENT, attach, **given)


def read(engine: DockerEngine, endpoint: Endpoint, *argv: str) -> str:
    """Return what a command in an endpoint prints; it must succeed in silence."""
    done = engine.run(endpoint, argv, timeout=20)

    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def echo(engine: DockerEngine, endpoint: Endpoint, port: int, protocol: str = "TCP") -> None:
    """Start a server that sends everything back, on all addresses of both families."""
    kind = {"TCP": "TCP6-LISTEN", "UDP": "UDP6-RECVFROM"}[protocol]
    argv = ("socat", f"{kind}:{port},fork,reuseaddr,ipv6only=0", "PIPE")
    engine.start(endpoint, argv, cpu=None, limit=120)
    file, state = {"TCP": ("tcp6", " 0A "), "UDP": ("udp6", " 07 ")}[protocol]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        rows = read(engine, endpoint, "cat", f"/proc/net/{file}").splitlines()
        if any(f":{port:04X} " in row and state in row for row in rows):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {protocol} port {port}")


def connects(
    engine: DockerEngine, endpoint: Endpoint, address: str, port: int, protocol: str = "TCP"
) -> bool:
    """Tell whether a word that is sent from an endpoint to an address comes back."""
    target = f"[{address}]" if ":" in address else address
    wait = ",connect-timeout=2" if protocol == "TCP" else ""
    script = f"echo {_WORD} | socat -t1 -T2 - {protocol}:{shlex.quote(target)}:{port}{wait}"
    return _WORD in engine.run(endpoint, ("sh", "-c", script), timeout=10).stdout


def links(lab: Lab) -> set[str]:
    """Names of the links of the engine's host."""
    rows = lab.inside("ip", "-br", "link").splitlines()
    return {row.split()[0].partition("@")[0] for row in rows}


def as_user(
    story: str, lab: Lab, uid: int, gid: int, before: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return what a user of that uid and gid tells of a story; it must be told in silence.

    `before` puts the user somewhere else first.
    """
    return told(story, str(lab.socket), uid=uid, gid=gid, before=before)


def told(
    story: str,
    engine: str,
    *,
    uid: int = 0,
    gid: int = 0,
    before: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the same of an engine at a socket, or where a URL leads."""
    command = (*before, sys.executable, "-m", "support.docker_story", story, engine)
    done = subprocess.run(
        (*command, str(uid), str(gid)),
        env={**os.environ, **environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
