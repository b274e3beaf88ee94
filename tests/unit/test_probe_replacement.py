"""A container that is replaced under a flow: the outage, the share lost, and what is no number."""

import pytest

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import Attempt, Replacement
from netbench.record import Completed

PROBE = Replacement()


def attempts(*answered: bool) -> list[Attempt]:
    """Return datagrams a fifth of a second apart, the first one half a second after the removal."""
    return [Attempt(0.5 + 0.2 * n, one) for n, one in enumerate(answered)]


def test_the_outage_ends_with_the_first_datagram_that_is_answered() -> None:
    sample = PROBE.conclude(attempts(False, False, True, False, True))

    assert sample.value("outage_time") == pytest.approx(0.9)
    assert sample.value("loss") == pytest.approx(3 / 5)
    assert dict(sample.details)["replaced.first_answered"] == 3
    assert PROBE.conclude(attempts(True, True)).value("loss") == 0


@pytest.mark.parametrize("found", [attempts(False, False, False), []])
def test_a_flow_that_nobody_answers_gives_no_number(found: list[Attempt]) -> None:
    with pytest.raises(ProbeError, match=rf"none of {len(found)} datagrams of the flow"):
        PROBE.conclude(found)


def test_all_datagrams_leave_from_one_port_of_either_family() -> None:
    four, six = (PROBE.client_argv(at, 18001, 12345)[-1] for at in ("198.18.0.2", "2001:2::2"))

    assert four == "UDP4-DATAGRAM:198.18.0.2:18001,bind=:12345"
    assert six == "UDP6-DATAGRAM:[2001:2::2]:18001,bind=[::]:12345"
    assert "bind=198.18.0.2" in PROBE.server_argv("198.18.0.2", 9, alone=True)[2]
    assert "bind" not in PROBE.server_argv("0.0.0.0", 9, alone=False)[2]  # noqa: S104


def test_a_missing_socat_is_told() -> None:
    gone = Completed(("sh",), 127, "", "socat: not found", timed_out=False, seconds=0.0)

    assert "install socat" in (PROBE.cannot(gone) or "")


@pytest.mark.parametrize("datagrams", [4, 1001, 7.5, "10", True])
def test_datagrams_are_a_whole_number_within_bounds(datagrams: object) -> None:
    with pytest.raises(ConfigurationError, match=r"udp-replaced: `datagrams` is a whole number"):
        Replacement(datagrams=datagrams)  # type: ignore[arg-type] -- what a suite may hold
