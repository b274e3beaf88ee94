"""The reader from inside on two machines whose processes and namespaces have the same numbers."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from netbench.errors import FactError
from netbench.facts.inside import InsideReader
from netbench.facts.pair import FarClient, NamespaceSet, Pair
from netbench.record import Ipam, LinkCounters, PairFacts
from netbench.spec import Node, Role
from netbench.system.files import Files

GOLDEN = Path(__file__).parent.parent / "golden" / "facts" / "docker" / "bridge.json"
SAID: Mapping[str, Mapping[str, str]] = json.loads(GOLDEN.read_text())["inside"]
"""What commands printed in each place of a pair on one machine."""
INITIAL = 4026531840  # inode of the first network namespace of every kernel that just started
CLIENTS, HOSTS = 100, 1
"""Process ids, on both machines the same."""
ESP = LinkCounters(1, 2, 3, 4, 0, 0)


class MachineFiles(Files):
    """The /proc of one machine, whose processes were started at a moment of its own."""

    def __init__(self, started: int) -> None:
        self.started = started

    def read(self, *paths: str) -> dict[str, bytes]:
        words = " ".join(["0"] * 18 + [str(self.started)])
        return {
            path: f"{path.split('/')[2]} (sh) S {words} 0\n".encode()
            for path in paths
            if path.endswith("/stat")
        }


def answers(like: str, net: int, mtu: int) -> dict[str, str]:
    """What is said in a place like one that was captured, with links of that MTU."""
    said = dict(SAID[like])
    for command, text in said.items():
        if command.startswith("readlink"):
            lines = text.splitlines()
            said[command] = "\n".join(
                f"net:[{net}]" if line.startswith("net:") else line for line in lines
            )
        elif command.startswith("ip "):
            rows = json.loads(text)
            for row in rows:
                row["mtu"] = mtu
            said[command] = json.dumps(rows)
    return said


def subject(
    role: Role, node: Node, pid: int, said: Mapping[str, str], files: Files
) -> NamespaceSet:
    def run(argv: tuple[str, ...]) -> str:
        command = " ".join(argv)
        if command not in said:
            raise FactError(f"`{command}`: No such file or directory")
        return said[command]

    return NamespaceSet(role, pid, (), run, files=files, node=node, esp=lambda: ESP)


def pair(*, encrypted: bool = False, files: dict[Node, MachineFiles] | None = None) -> Pair:
    """Client and server in host networks alike: one inode, one process id, on two machines."""
    there = files or {Node.FIRST: MachineFiles(7), Node.PEER: MachineFiles(8)}
    ipam = Ipam("n", "198.18.0.0/24", "198.18.0.1", None, encrypted=encrypted)
    first, peer = there[Node.FIRST], there[Node.PEER]
    inside = answers("client", INITIAL + 200, 1400), answers("server", INITIAL + 200, 1500)
    hosts = answers("host", INITIAL, 9000), answers("host", INITIAL, 1500)
    return Pair(
        client=subject(Role.CLIENT, Node.FIRST, CLIENTS, inside[0], first),
        server=subject(Role.SERVER, Node.PEER, CLIENTS, inside[1], peer),
        host=subject(Role.HOST, Node.PEER, HOSTS, hosts[1], peer),
        target="198.18.0.2",
        ipam=ipam,
        uplink="eth0",
        far=FarClient(
            host=subject(Role.CLIENT_HOST, Node.FIRST, HOSTS, hosts[0], first),
            sandbox=None,
            uplink="eth1",
            ipam=ipam,
        ),
    )


def read(reader: InsideReader, one: Pair) -> PairFacts:
    (facts,) = reader.read([one])
    assert isinstance(facts, PairFacts), facts
    return facts


def mtus(facts: PairFacts) -> dict[str, set[int]]:
    return {end.role.value: {link.mtu for link in end.links} for end in facts.ends}


EXPECTED = {"client": {1400}, "server": {1500}, "host": {1500}, "client's host": {9000}}


def test_equal_numbers_on_two_machines_are_two_places() -> None:
    facts = read(InsideReader(), pair())

    assert mtus(facts) == EXPECTED
    assert facts.client.namespaces.net == facts.server.namespaces.net
    assert facts.client_side
    assert facts.client_side.host.namespaces.net == facts.host.namespaces.net == INITIAL
    assert {end.role.value: end.node for end in facts.ends} == {
        "client": Node.FIRST,
        "server": Node.PEER,
        "host": Node.PEER,
        "client's host": Node.FIRST,
    }
    assert (facts.uplink, facts.client_side.uplink) == ("eth0", "eth1")


def test_a_later_reading_keeps_the_machines_apart() -> None:
    reader, one = InsideReader(), pair()
    again = reader.again(one, read(reader, one))

    assert mtus(again) == EXPECTED


@pytest.mark.parametrize("node", Node)
def test_a_process_that_is_another_by_now_is_gone_whatever_the_other_machine_has(
    node: Node,
) -> None:
    files = {Node.FIRST: MachineFiles(7), Node.PEER: MachineFiles(8)}
    reader, one = InsideReader(), pair(files=files)
    facts = read(reader, one)
    files[node].started = files[node.other].started

    with pytest.raises(FactError, match="is gone"):
        reader.again(one, facts)


def test_a_pair_of_the_same_numbers_at_one_time_is_one_of_each_machine() -> None:
    """Two arms whose clients and servers have changed places must not answer for each other."""
    one = pair()
    turned = Pair(
        client=subject(
            Role.CLIENT, Node.PEER, CLIENTS, answers("client", INITIAL + 201, 1300), one.host.files
        ),
        server=one.server,
        host=one.host,
        target=one.target,
        ipam=one.ipam,
    )
    found = InsideReader().read([one, turned])
    first, second = found

    assert isinstance(first, PairFacts)
    assert isinstance(second, PairFacts)
    assert mtus(first)["client"] == {1400}
    assert mtus(second) == {"client": {1300}, "server": {1500}, "host": {1500}}
    assert second.client.node is Node.PEER


@pytest.mark.parametrize(("encrypted", "carried"), [(True, ESP), (False, None)])
def test_esp_is_read_of_both_hosts_where_it_must_carry(
    encrypted: bool, carried: LinkCounters | None
) -> None:
    reader, one = InsideReader(), pair(encrypted=encrypted)
    facts = read(reader, one)

    for seen in (facts, reader.again(one, facts)):
        assert seen.client_side
        assert (seen.host.esp, seen.client_side.host.esp) == (carried, carried)
