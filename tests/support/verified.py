"""What `netbench verify --json` must show on every engine."""

from typing import Any

from netbench.drivers import DRIVERS
from netbench.record import NAMESPACE_KINDS
from netbench.verify.places import SOURCES

ROW = {"driver", "from", "to", "protocol", "family", "promised", "measured", "evidence"}
ROW |= {"client", "client_is"}


def measured(document: Any, driver: str, source: str, target: str, family: int = 0) -> set[str]:
    """Return everything that was measured from one place to another, without what was skipped."""
    found = {
        row["measured"]
        for row in document["rows"]
        if (row["driver"], row["from"], row["to"]) == (driver, source, target)
        and family in (0, row["family"])
    }
    return found - {"skip"}


def _hold(expected: str, document: Any, *cells: Any) -> None:
    found = measured(document, *cells)
    assert found == {expected}, (cells, found)


def seen(document: Any, start: str = "") -> list[str]:
    """Return the drivers that were looked at, those whose names start so."""
    return sorted({r["driver"] for r in document["rows"] if r["driver"].startswith(start)})


def assert_all_as_promised(document: Any) -> None:
    """Every driver is as it promises, or is not possible here."""
    absent = {one["driver"] for one in document["skipped"]}

    assert document["problems"] == []
    assert document["mismatches"] == document["exit"] == 0
    assert {check["driver"] for check in document["promises"]} | absent == set(DRIVERS)
    assert all(one["impossible"] and one["reason"] for one in document["skipped"])
    assert all(check["held"] and check["evidence"] for check in document["promises"])
    assert set(seen(document)) >= {"none", "host", "bridge", "bridge:user", "container"}


def assert_rows_are_whole(document: Any) -> None:
    """Each row says who called whom and what came of it, and none of them stands twice.

    Silence is believed at once only where it is promised.
    """
    rows = document["rows"]

    assert all(set(row) == ROW and row["evidence"] for row in rows)
    for driver in seen(document):
        own = [row for row in rows if row["driver"] == driver]
        keys = {(row["from"], row["to"], row["protocol"], row["family"]) for row in own}
        assert {row["from"] for row in own} == {place.value for place in SOURCES}
        assert len(keys) == len(own)
    once = [row for row in rows if "no answer within 1 s" in row["evidence"]]
    assert {row["promised"] for row in once} <= {"no-reach"}
    six = {r["measured"] for r in rows if (r["driver"], r["family"]) == ("bridge:user", 6)}
    assert "reach" in six


def assert_none_reaches_nothing(document: Any) -> None:
    """Not its pair, not its host, not the LAN."""
    for source in ("container", "pair"):
        for target in ("pair", "host", "LAN"):
            _hold("no-reach", document, "none", source, target)


def assert_bridges_are_apart(document: Any) -> None:
    """Containers of a bridge reach each other, and those of another only by a published port."""
    for driver in ("bridge", "bridge:user"):
        _hold("reach", document, driver, "container", "pair")
        _hold("no-reach", document, driver, "container", "other network", 4)
        _hold("no-reach", document, driver, "other network", "pair", 4)
        _hold("reach", document, driver, "LAN", "published port", 4)
        _hold("reach", document, driver, "container", "published port", 4)


def assert_own_host_is_out_of_reach(document: Any) -> None:
    """A link on the LAN reaches the LAN and not its own host; private and vepa not their pair."""
    for driver in seen(document, "macvlan") + seen(document, "ipvlan:l2"):
        _hold("reach", document, driver, "pair", "LAN")
        _hold("reach", document, driver, "LAN", "pair")
        _hold("no-reach", document, driver, "pair", "host")
        _hold("no-reach", document, driver, "host", "pair")
    if seen(document, "macvlan"):
        _hold("reach", document, "macvlan:bridge", "container", "pair")
        _hold("no-reach", document, "macvlan:private", "container", "pair")
        _hold("no-reach", document, "macvlan:vepa", "container", "pair")


def assert_there_is_what_readers_check_by_eye(document: Any) -> None:
    """Networks with their address management, eight inodes an endpoint, the veth map."""
    networks = {one["driver"]: one for one in document["networks"] if "-other" not in one["name"]}
    user = networks["bridge:user"]
    assert user["subnet"]
    assert user["subnet6"]
    own = [one for one in document["endpoints"] if one["driver"] == "bridge:user"]
    assert [one["role"] for one in own] == ["client", "server"]
    for one in own:
        assert list(one["namespaces"]) == list(NAMESPACE_KINDS)
        assert one["namespaces"]["net"]["shared"] == "own"
        (veth,) = one["veth"]
        assert (veth["link"], veth["namespace"], veth["bridge"]) == ("eth0", "host", user["bridge"])
        assert veth["index"] != veth["peer_index"]


def assert_clients_are_seen(document: Any) -> None:
    """Whoever was reached saw an address; a proxy shows its own, where routes show the client's."""
    for row in document["rows"]:
        told = (row["client"], row["client_is"])
        assert all(told) if row["measured"] == "reach" else not any(told), row
    for driver in ("bridge", "bridge:user"):
        _seen_at("own", document, driver, "container", "pair")
        _seen_at("own", document, driver, "LAN", "published port")
        _seen_at("host", document, driver, "container", "published port")
    if seen(document, "macvlan:bridge"):
        _seen_at("own", document, "macvlan:bridge", "LAN", "pair")


def _seen_at(expected: str, document: Any, *cell: str) -> None:
    found = {
        row["client_is"]
        for row in document["rows"]
        if (row["driver"], row["from"], row["to"]) == cell and row["family"] == 4
    }
    assert found - {None} == {expected}, (cell, found)
