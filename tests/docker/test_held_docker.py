"""Tools that are held and let go on again and again, by all who may use a Docker Engine.

Root signals them by kill. Whoever has the socket alone, or does not see the engine's processes, has
the shell in the container do so.
"""

from collections.abc import Callable
from typing import Any

import pytest
from support import held
from support.docker_parts import as_user
from support.dockerd import Lab

_Tell = Callable[[str], dict[str, Any]]
_NOBODY_IN_PARTICULAR = 65532
_ELSEWHERE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
_USERS = ["root", "root elsewhere", "socket alone"]


@pytest.fixture(params=_USERS)
def user(request: pytest.FixtureRequest) -> str:
    """Who tells."""
    return str(request.param)


@pytest.fixture
def tell(lab: Lab, user: str) -> _Tell:
    """Have the user tell a story."""

    def told(story: str) -> dict[str, Any]:
        if user == "socket alone":
            found = as_user(story, lab, _NOBODY_IN_PARTICULAR, lab.socket.stat().st_gid)
        else:
            found = as_user(story, lab, 0, 0, _ELSEWHERE if user == "root elsewhere" else ())
        assert found.pop("local") is (user != "root elsewhere")
        return found

    return told


def test_a_held_stream_is_counted_as_its_receiver_counts_it(tell: _Tell, user: str) -> None:
    held.check_stream(tell("stream"), by_kill=user == "root")


def test_a_held_round_trip_client_ends_with_its_statistics(tell: _Tell) -> None:
    assert tell("round_trips") == held.ROUND_TRIPS


def test_tools_that_have_ended_or_are_held_take_every_signal(tell: _Tell) -> None:
    assert tell("ends") == held.ENDS


def test_a_tool_that_ends_after_it_was_held_is_seen_to_have_ended(tell: _Tell) -> None:
    assert tell("after_a_hold") == {"alive": False, "read": None, "exit": 0}


def test_a_tool_left_held_is_killed_at_its_time(tell: _Tell) -> None:
    assert tell("left_held") == {"exit": -9, "timed_out": True}
