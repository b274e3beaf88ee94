"""What `verify` says of a driver: in the terminal, in its document, by its exit code."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import to_builtins
from support.facts import bridge_pair

from netbench.cli.commands.verify import shown, word_for
from netbench.drivers import DRIVERS, ReachPlace
from netbench.engines.base import Endpoint
from netbench.record import NAMESPACE_KINDS, PromiseCheck
from netbench.spec import Role
from netbench.verify import NotVerified, Verified
from netbench.verify.matrix import Measured, Promised, ReachResult
from netbench.workflow.verify import document, exit_code

BRIDGE = DRIVERS["bridge"]
HELD = PromiseCheck("it is so", held=True, evidence="seen " * 30)
BROKEN = PromiseCheck("it is otherwise", held=False, evidence="eth0 is a port of nb2")
ABSENT = NotVerified(DRIVERS["ipvlan:l2"], "the kernel has no ipvlan", impossible=True)
FAILED = NotVerified(DRIVERS["overlay"], "the pair did not start", impossible=False)


def documented(*arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(document(*arguments))
    return found


def row(
    promised: Promised,
    measured: Measured,
    source: ReachPlace = ReachPlace.CONTAINER,
    target: ReachPlace = ReachPlace.PAIR,
    **changes: Any,
) -> ReachResult:
    plain = ReachResult(source, target, "tcp", 4, promised, measured, "tcp 198.18.0.2:20001: said")
    return replace(plain, **changes)


def verified(*rows: ReachResult, promises: tuple[PromiseCheck, ...] = (HELD,)) -> Verified:
    facts = bridge_pair()
    assert facts.ipam
    ends = [
        Endpoint(role.value, role.value, role, 1, None, None, sandbox_key=f"/ns/{role}")
        for role in (Role.CLIENT, Role.SERVER)
    ]
    return Verified(
        driver=BRIDGE,
        promises=promises,
        rows=rows,
        facts=facts,
        networks=((None, facts.ipam),),
        endpoints=(ends[0], ends[1]),
    )


GOOD = verified(row("reach", "reach"))
HALF = replace(GOOD, problems=("another network could not be had",))
MATCHES: list[tuple[Promised, Measured, bool]] = [
    ("reach", "reach", False),
    ("reach", "no-reach", True),
    ("reach", "skip", False),
    ("no-reach", "no-reach", False),
    ("no-reach", "reach", True),
    ("no-reach", "skip", False),
    ("unspecified", "reach", False),
    ("unspecified", "no-reach", False),
]


@pytest.mark.parametrize(("promised", "measured", "mismatch"), MATCHES)
def test_a_mismatch_is_a_promise_that_was_measured_otherwise(
    promised: Promised, measured: Measured, mismatch: bool
) -> None:
    assert row(promised, measured).mismatch is mismatch


ALL = frozenset({"tcp4", "udp4", "tcp6", "udp6"})
WORDS = [
    (ALL, ALL, "yes"),
    (frozenset(), ALL, "no"),
    (frozenset(), frozenset(), "-"),
    (frozenset({"tcp4", "tcp6"}), ALL, "tcp only"),
    (frozenset({"udp4", "udp6"}), ALL, "udp only"),
    (frozenset({"tcp4", "udp4"}), ALL, "v4 only"),
    (frozenset({"tcp6", "udp6"}), ALL, "v6 only"),
    (frozenset({"tcp4"}), frozenset({"tcp4", "udp4"}), "tcp only"),
    (frozenset({"tcp4", "udp4"}), frozenset({"tcp4", "udp4"}), "yes"),
    (frozenset({"tcp4", "udp4", "tcp6"}), ALL, "not udp6"),
    (frozenset({"udp6"}), ALL, "udp6"),
    (frozenset({"tcp4", "udp6"}), ALL, "tcp4 udp6"),
]


@pytest.mark.parametrize(("reached", "tried", "word"), WORDS)
def test_a_cell_is_one_short_word(
    reached: frozenset[str], tried: frozenset[str], word: str
) -> None:
    assert word_for(reached, tried) == word


def test_the_matrix_has_a_line_a_place_and_promises_where_they_differ() -> None:
    text = shown(
        verified(
            row("reach", "reach"),
            row("reach", "no-reach", protocol="udp"),
            row("no-reach", "no-reach", target=ReachPlace.OTHER),
            row("unspecified", "reach", source=ReachPlace.LAN),
            row("no-reach", "skip", source=ReachPlace.OTHER),
        )
    ).splitlines()

    start = next(n for n, line in enumerate(text) if line.startswith("from"))
    words = ["pair", "other", "network", "host", "gateway", "LAN", "published", "port"]
    assert text[start].split()[3:] == words
    assert text[start + 1].split() == ["container", "tcp", "only", "no", "-", "-", "-", "-"]
    assert text[start + 2].split() == ["PROMISED", "yes"]
    assert text[start + 3].split() == ["LAN", "yes", "-", "-", "-", "-", "-"]
    assert not text[start + 4].strip()


def test_each_path_says_whose_address_the_server_saw() -> None:
    lan = {"source": ReachPlace.LAN, "target": ReachPlace.PUBLISHED}
    text = shown(
        verified(
            row("reach", "reach", client="198.18.0.3", client_is="own"),
            row("reach", "reach", client="198.18.9.254", client_is="own", **lan),
            row("reach", "reach", client="2001:2::1", client_is="host", family=6, **lan),
            row("reach", "reach", client="198.18.0.9", client_is="other", protocol="udp", **lan),
            row("reach", "no-reach", target=ReachPlace.PUBLISHED),
        )
    )

    words = " ".join(text.split())
    assert "client address seen, container -> pair: the client's own (tcp4) client" in words
    assert (
        "client address seen, LAN -> published port: the client's own (tcp4); one of the host's, "
        "2001:2::1 (tcp6); another one, 198.18.0.9 (udp4)"
    ) in words
    assert "seen, container -> published port" not in words


def test_a_mismatch_and_a_broken_promise_stand_out_with_their_evidence() -> None:
    text = shown(verified(row("no-reach", "reach"), promises=(HELD, BROKEN)))

    assert "bridge: 2 promises, 1 BROKEN; 1 connects, 1 MISMATCHED" in text
    assert "MISMATCH container -> pair, tcp4: promised no-reach, measured reach" in text
    assert "BROKEN it is otherwise" in text
    assert "eth0 is a port of nb2" in text


def test_what_failed_meanwhile_is_told() -> None:
    assert "FAILED another network could not be had" in shown(HALF)
    assert documented("docker", "", [HALF], 3)["problems"] == [
        {"driver": "bridge", "problem": "another network could not be had"}
    ]


def test_everything_stays_within_a_hundred_columns() -> None:
    long = "said " * 60
    text = shown(verified(row("no-reach", "reach", evidence=long), promises=(HELD, BROKEN)))

    assert max(map(len, text.splitlines())) <= 100
    assert max(map(len, shown(replace(ABSENT, reason=long)).splitlines())) <= 100


def test_networks_namespaces_and_the_veth_map_are_there_to_read() -> None:
    text = shown(verified(row("reach", "reach")))

    assert "network bridge: bridge, 198.18.0.0/24 by 198.18.0.1, bridge docker0" in text
    assert "eth0 (index 20) <-> host veths (index 21) in docker0" in text
    assert "sandbox key /ns/server" in text
    words = text.split()
    assert all(words.count(kind) >= 2 for kind in NAMESPACE_KINDS)


def test_the_document_has_the_fields_that_are_promised() -> None:
    found = documented("docker", "26.1.5", [verified(row("reach", "no-reach")), ABSENT], 3)

    assert (found["schema"], found["engine"], found["exit"], found["mismatches"]) == (
        *(1, "docker", 3, 1),
    )
    (promise,) = found["promises"]
    assert promise == {
        "driver": "bridge",
        "promise": HELD.promise,
        "held": True,
        "evidence": HELD.evidence,
    }
    (only,) = found["rows"]
    assert only == {
        "driver": "bridge",
        "from": "container",
        "to": "pair",
        "protocol": "tcp",
        "family": 4,
        "promised": "reach",
        "measured": "no-reach",
        "evidence": "tcp 198.18.0.2:20001: said",
        "client": None,
        "client_is": None,
    }
    assert found["skipped"] == [
        {"driver": "ipvlan:l2", "reason": "the kernel has no ipvlan", "impossible": True}
    ]
    (network,) = found["networks"]
    fields = {"name", "driver", "subnet", "gateway", "subnet6", "gateway6", "parent", "bridge"}
    assert set(network) >= fields | {"vxlan"}
    client, server = found["endpoints"]
    assert (client["role"], server["role"]) == ("client", "server")
    assert list(server["namespaces"]) == list(NAMESPACE_KINDS)
    assert server["sandbox_key"] == "/ns/server"
    assert server["veth"] == [
        {
            "link": "eth0",
            "index": 20,
            "namespace": "host",
            "peer": "veths",
            "peer_index": 21,
            "bridge": "docker0",
        }
    ]


CODES = [
    ([GOOD], True, 0),
    ([verified(row("reach", "no-reach"))], True, 3),
    ([verified(promises=(BROKEN,))], True, 3),
    ([GOOD, ABSENT], False, 0),
    ([GOOD, ABSENT], True, 3),
    ([GOOD, FAILED], False, 3),
    ([HALF], False, 3),
    ([ABSENT], True, 4),
    ([FAILED], False, 4),
]


@pytest.mark.parametrize(("found", "named", "code"), CODES)
def test_the_exit_code(found: list[Verified | NotVerified], named: bool, code: int) -> None:
    assert exit_code(found, named=named) == code
