"""Tools that are held and let go on again and again, by the netns engine."""

import pytest
from support import held

from netbench.engines.netns.engine import NetnsEngine


def test_a_held_stream_is_counted_as_its_receiver_counts_it(engine: NetnsEngine) -> None:
    held.check_stream(held.stream(engine), by_kill=True)


def test_a_held_round_trip_client_ends_with_its_statistics(engine: NetnsEngine) -> None:
    assert held.round_trips(engine) == held.ROUND_TRIPS


def test_tools_that_have_ended_or_are_held_take_every_signal(engine: NetnsEngine) -> None:
    assert held.ends(engine) == held.ENDS


def test_a_tool_that_ends_after_it_was_held_is_seen_to_have_ended(engine: NetnsEngine) -> None:
    """What waits for it outside has stopped itself and tells nothing."""
    assert held.after_a_hold(engine) == {"alive": False, "read": None, "exit": 0}


@pytest.mark.parametrize("times", [1, 5])
def test_a_tool_left_held_is_killed_at_its_time(engine: NetnsEngine, times: int) -> None:
    assert held.left_held(engine, times) == {"exit": -9, "timed_out": True}
