"""Tools that are held and let go on again and again, by every other kind of engine.

Podman's tools are signalled by kill where root asks, a rootless engine's where its user does.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import held
from support.away import ENGINE, SSH_PORT, TLS_PORT, Away
from support.docker_parts import told
from support.other_engines import OtherEngine
from support.user import USER

_Told = Callable[[str], dict[str, Any]]


def check(tell: _Told, *, local: bool, by_kill: bool) -> None:
    stories = {name: tell(name) for name in ("stream", "round_trips", "ends")}

    assert {story.pop("local") for story in stories.values()} == {local}
    held.check_stream(stories["stream"], by_kill=by_kill)
    assert stories["round_trips"] == held.ROUND_TRIPS
    assert stories["ends"] == held.ENDS


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ssh", "tls"])
def test_an_engine_on_another_machine_holds_tools(away: Away, keys: Path, way: str) -> None:
    host = {
        "ssh": f"ssh://root@{ENGINE}:{SSH_PORT}{away.lab.socket}",
        "tls": f"tcp://{ENGINE}:{TLS_PORT}",
    }[way]
    tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(keys / "tls")}
    environment: Mapping[str, str] = tls if way == "tls" else {}

    def tell(story: str) -> dict[str, Any]:
        return told(story, host, before=away.spaces.before, environment=environment)

    check(tell, local=False, by_kill=False)


@pytest.mark.slow
def test_a_rootless_engine_holds_tools_of_the_user_who_runs_it(rootless: OtherEngine) -> None:
    def tell(story: str) -> dict[str, Any]:
        before = (*rootless.spaces.before, "env", f"HOME={rootless.folder}/home")
        return told(story, rootless.socket, uid=USER, gid=USER, before=before)

    check(tell, local=True, by_kill=True)


@pytest.mark.slow
def test_podman_holds_tools(podman: OtherEngine) -> None:
    def tell(story: str) -> dict[str, Any]:
        return told(story, podman.socket, before=podman.spaces.before)

    check(tell, local=True, by_kill=True)
