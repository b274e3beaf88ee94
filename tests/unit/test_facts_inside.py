import json
import os
import subprocess
import types
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from msgspec import convert

from netbench.drivers import DRIVERS
from netbench.errors import FactError
from netbench.facts.inside import InsideReader
from netbench.facts.pair import NamespaceSet, Pair
from netbench.facts.registry import FACTS, OFFLOADS
from netbench.record import EndpointFacts, Link, PairFacts
from netbench.spec import Path as Way
from netbench.spec import Role
from netbench.system.files import LOCAL

GOLDEN = Path(__file__).parent.parent / "golden" / "facts"
IP = "ip -j -d -s addr show"
Answers = dict[str, dict[str, str]]
"""What commands print, by role and command."""


def golden_file(engine: str, driver: str) -> Path:
    return GOLDEN / engine / f"{driver.replace(':', '-')}.json"


CASES = [
    (engine, driver)
    for engine in ("netns", "docker")
    for driver in DRIVERS
    if golden_file(engine, driver).exists()
]


def golden(engine: str, driver: str) -> tuple[PairFacts, Answers]:
    file = golden_file(engine, driver)
    document = json.loads(file.read_text(encoding="utf-8"))
    return convert(document["netlink"], PairFacts), document["inside"]


def replayed(facts: PairFacts, answers: Answers) -> Pair:
    """Return the pair as it answered when it was captured."""

    def subject(role: Role, end: EndpointFacts) -> NamespaceSet:
        def run(argv: tuple[str, ...]) -> str:
            # A namespace that both ends share was asked in one of them.
            shared = [role.value] + [
                other.role.value
                for other in facts.ends
                if other.namespaces.net == end.namespaces.net and argv[0] != "readlink"
            ]
            for name in shared:
                if " ".join(argv) in answers.get(name, {}):
                    return answers[name][" ".join(argv)]
            raise FactError(f"`{' '.join(argv)}`: No such file or directory")

        return NamespaceSet(role, end.pid, (), run)

    return Pair(
        subject(Role.CLIENT, facts.client),
        subject(Role.SERVER, facts.server),
        subject(Role.HOST, facts.host),
        facts.target,
        facts.ipam,
        lan=subject(Role.LAN, facts.lan) if facts.lan else None,
        sandbox=subject(Role.SANDBOX, facts.sandbox) if facts.sandbox else None,
        uplink=facts.uplink,
    )


def read(facts: PairFacts, answers: Answers) -> PairFacts | FactError:
    (found,) = InsideReader().read([replayed(facts, answers)])
    return found


@pytest.mark.parametrize(("engine", "driver"), CASES)
def test_the_reader_from_inside_sees_what_netlink_saw(engine: str, driver: str) -> None:
    netlink, answers = golden(engine, driver)
    inside = read(netlink, answers)

    assert isinstance(inside, PairFacts)
    assert inside.reader == "engine"
    assert inside.notes
    assert inside.sandbox is None
    assert (netlink.sandbox is None) == (len(inside.notes) == 1)
    for seen in netlink.ends:
        if seen.role is not Role.SANDBOX:
            found = inside.end(seen.role)
            # Ids of namespaces are for netlink alone to resolve.
            assert found
            assert comparable(found) == comparable(replace(seen, nsids=()))
    assert (inside.target, inside.ipam) == (netlink.target, netlink.ipam)
    assert inside.uplink == netlink.uplink


def comparable(end: EndpointFacts) -> EndpointFacts:
    """Return facts without the order in which the kernel lists addresses and routes."""
    return replace(
        end,
        addresses=tuple(sorted(end.addresses, key=repr)),
        routes=tuple(sorted(end.routes, key=repr)),
    )


@pytest.mark.parametrize(("engine", "driver"), CASES)
def test_promises_and_path_hold_for_both_readers(engine: str, driver: str) -> None:
    netlink, answers = golden(engine, driver)
    inside = read(netlink, answers)

    assert isinstance(inside, PairFacts)
    checks = [promise.judge(inside) for promise in DRIVERS[driver].promises]
    assert all(check.held for check in checks)
    # Without the right to enter an overlay's sandbox only the ends of its path are known.
    seen = replace(netlink, sandbox=None)
    for path in Way:
        named = [[hop.link.name for hop in DRIVERS[driver].hops(path, f)] for f in (inside, seen)]
        assert named[0] == named[1]


def test_without_ethtool_offloads_are_unknown_and_the_rest_is_read() -> None:
    netlink, answers = golden("docker", "bridge")
    for said in answers.values():
        for command in [c for c in said if c.startswith("ethtool")]:
            del said[command]
    found = read(netlink, answers)

    assert isinstance(found, PairFacts)
    assert {link.offloads for link in found.client.links} == {None}
    assert found.client.link("eth0") == replace(
        netlink.client.link("eth0"),
        offloads=None,  # type: ignore[type-var] # it has one
    )


def bent(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def bend(text: str) -> str:
        rows = json.loads(text)
        change(rows[-1])
        return json.dumps(rows)

    return bend


@pytest.mark.parametrize(
    "bend",
    [
        lambda _: "",
        lambda text: text[:-20],
        lambda _: "{}",
        lambda _: "Usage: ip [ OPTIONS ] OBJECT",
        bent(lambda row: row.pop("stats64")),
        bent(lambda row: row.pop("mtu")),
        bent(lambda row: row.pop("ifindex")),
        bent(lambda row: row.update(stats64={})),
        bent(lambda row: row.update(stats64=1)),
        bent(lambda row: row.update(linkinfo=[])),
        bent(lambda row: row.update(flags=None)),
        bent(lambda row: row.update(addr_info=[{"local": "10.0.0.1"}])),
    ],
)
def test_output_of_ip_that_lacks_something_is_no_facts(bend: Callable[[str], str]) -> None:
    netlink, answers = golden("docker", "bridge")
    answers["client"][IP] = bend(answers["client"][IP])
    found = read(netlink, answers)

    assert isinstance(found, FactError) or found.client.links == ()


def test_a_namespace_that_is_not_told_is_no_facts() -> None:
    netlink, answers = golden("docker", "bridge")
    command = next(c for c in answers["client"] if c.startswith("readlink"))
    answers["client"][command] = "mnt:[4026531841]\n"

    assert isinstance(read(netlink, answers), FactError)


def test_one_unreadable_pair_does_not_spoil_another() -> None:
    first, good = golden("docker", "bridge")
    second, bad = golden("docker", "none")
    bad["client"].clear()
    found = InsideReader().read([replayed(second, bad), replayed(first, good)])

    assert isinstance(found[0], FactError)
    assert isinstance(found[1], PairFacts)


def changed(answers: dict[str, dict[str, str]], role: str, **new: Any) -> None:
    """Let the links of a namespace have other values from now on."""
    rows = json.loads(answers[role][IP])
    answers[role][IP] = json.dumps([{**row, **new} if row else row for row in rows])


def test_a_later_reading_has_the_links_addresses_counters_and_routes_of_then() -> None:
    netlink, answers = golden("docker", "bridge")
    reader = InsideReader()
    pair = replayed(netlink, answers)
    (seen,) = reader.read([pair])
    assert isinstance(seen, PairFacts)
    counters = dict.fromkeys(("bytes", "packets", "dropped"), 7)
    new = {"stats64": {"rx": counters, "tx": counters}, "mtu": 1234, "qdisc": "pfifo", "flags": []}
    for role in ("client", "host"):
        changed(answers, role, **new, master="other9", addr_info=[])
    answers["client"]["cat /proc/net/route"] = "Iface\n"
    now = reader.again(pair, seen)

    assert now.client.routes == ()
    assert now.server == seen.server
    for old, end in ((seen.client, now.client), (seen.host, now.host)):
        assert [x.index for x in end.links] == [x.index for x in old.links]
        assert {(x.counters.rx_bytes, x.mtu, x.qdisc, x.up, x.master) for x in end.links} == {
            (7, 1234, "pfifo", False, "other9")
        }
        assert end.addresses == ()
        assert [x.offloads for x in end.links] == [x.offloads for x in old.links]


def test_what_is_not_read_again_is_told_with_its_time() -> None:
    netlink, answers = golden("docker", "bridge")
    reader = InsideReader()
    pair = replayed(netlink, answers)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    (seen,) = reader.read([pair])
    assert isinstance(seen, PairFacts)

    assert seen.read_once == ()
    (told,) = reader.again(pair, seen).read_once
    assert told.startswith("offloads, namespaces and congestion control as of bring-up, 2")
    assert began <= told.rpartition(" ")[2] <= datetime.now(UTC).isoformat(timespec="seconds")


def test_a_link_that_is_gone_is_gone_from_the_facts() -> None:
    netlink, answers = golden("docker", "bridge")
    reader = InsideReader()
    pair = replayed(netlink, answers)
    (seen,) = reader.read([pair])
    assert isinstance(seen, PairFacts)
    for role in ("client", "server", "host"):
        rows = [row for row in json.loads(answers[role][IP]) if row and row["ifname"] == "lo"]
        answers[role][IP] = json.dumps(rows)
    now = reader.again(pair, seen)

    assert [link.name for link in now.client.links] == ["lo"]
    assert DRIVERS["bridge"].hops(Way.EAST_WEST, now) == ()


def test_a_process_that_is_gone_is_no_facts() -> None:
    netlink, answers = golden("docker", "bridge")
    reader = InsideReader()
    pair = replayed(netlink, answers)
    here = replace(
        pair,
        **{
            role: replace(getattr(pair, role), pid=os.getpid(), files=LOCAL)
            for role in ("client", "server", "host")
        },
    )
    holder = subprocess.Popen(("sleep", "60"))
    try:
        here = replace(here, client=replace(here.client, pid=holder.pid))
        (seen,) = reader.read([here])
    finally:
        holder.kill()
        holder.wait()
    assert isinstance(seen, PairFacts)

    with pytest.raises(FactError, match=rf"the client \(process {holder.pid}\) is gone"):
        reader.again(here, seen)


def test_the_registry_declares_every_field_of_a_link_with_its_type() -> None:
    hints = get_type_hints(Link)
    declared = {name.removeprefix("link."): f for name, f in FACTS.items() if "link." in name}

    assert set(declared) == {field.name for field in fields(Link)}
    for name, fact in declared.items():
        kinds = set(get_args(hints[name]) or (hints[name],)) - {types.NoneType}
        if name == "counters":
            continue
        if name == "offloads":
            assert fact.type is tuple
            continue
        assert kinds == {fact.type}, name


def test_every_fact_has_meaning_and_a_unit_only_where_it_is_a_quantity() -> None:
    for fact in FACTS.values():
        assert fact.meaning
        assert fact.unit == "" or fact.type in (int, float) or fact.name.startswith("net.tcp_")


@pytest.mark.parametrize(("engine", "driver"), CASES)
def test_offloads_are_named_as_the_registry_does(engine: str, driver: str) -> None:
    netlink, _ = golden(engine, driver)
    for end in netlink.ends:
        for link in end.links:
            assert set(link.offloads or ()) <= set(OFFLOADS)
