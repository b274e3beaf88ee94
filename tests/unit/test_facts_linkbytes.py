"""Byte counters of a path's links, as they are read at the edges of slices."""

from collections.abc import Mapping

import pytest

from netbench.errors import FactError
from netbench.facts.pair import NamespaceSet, Pair
from netbench.record import LinkCounters
from netbench.spec import Role
from netbench.watch import LinkBytes

NAMES = "Inter-|   Receive |  Transmit\n face |bytes packets errs ...\n"


def dev(**links: tuple[int, int]) -> bytes:
    rows = [f"{name}: {rx} 1 0 0 0 0 0 0 {tx} 2 0 0 0 0 0 0\n" for name, (rx, tx) in links.items()]
    return (NAMES + "".join(rows)).encode()


class Proc:
    """Files that are all read at one moment."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"/proc/{pid[1:]}/net/dev": text for pid, text in files.items()}
        self.asked: list[tuple[str, ...]] = []

    def read(self, *paths: str) -> Mapping[str, bytes]:
        self.asked.append(paths)
        return {path: self.files[path] for path in paths if path in self.files}


def pair(proc: Proc, sandbox: bool = False) -> Pair:
    def refused(argv: tuple[str, ...]) -> str:
        raise FactError(f"cannot run {argv}")

    roles = {Role.CLIENT: 11, Role.SERVER: 12, Role.HOST: 1}
    ends = [NamespaceSet(role, pid, (), refused, files=proc) for role, pid in roles.items()]
    over = NamespaceSet(Role.SANDBOX, 1, (), refused, netns="/run/netns/1-x", files=proc)
    return Pair(*ends, None, None, sandbox=over if sandbox else None)


LINKS = [(Role.CLIENT, "eth0"), (Role.HOST, "veth1"), (Role.SERVER, "eth0")]


def test_the_counters_of_the_paths_links_are_read_at_one_moment() -> None:
    proc = Proc(
        p11=dev(lo=(0, 0), eth0=(5, 6)), p12=dev(eth0=(7, 8)), p1=dev(veth1=(9, 10), eth0=(1, 1))
    )
    found = LinkBytes(pair(proc), LINKS).read()

    assert found == {
        (Role.CLIENT, "eth0"): LinkCounters(5, 6, 1, 2, 0, 0),
        (Role.HOST, "veth1"): LinkCounters(9, 10, 1, 2, 0, 0),
        (Role.SERVER, "eth0"): LinkCounters(7, 8, 1, 2, 0, 0),
    }
    assert [sorted(paths) for paths in proc.asked] == [
        ["/proc/1/net/dev", "/proc/11/net/dev", "/proc/12/net/dev"]
    ]


def test_namespaces_without_a_process_of_theirs_are_left_out() -> None:
    """The host's process would tell of the host's links instead."""
    proc = Proc(p11=dev(eth0=(5, 6)), p1=dev(vxlan0=(1, 1)))
    reader = LinkBytes(pair(proc, sandbox=True), [LINKS[0], (Role.SANDBOX, "vxlan0")])

    assert [*reader.read()] == [(Role.CLIENT, "eth0")]


def test_a_link_that_is_gone_is_an_error() -> None:
    proc = Proc(p11=dev(lo=(0, 0)), p12=dev(eth0=(7, 8)), p1=dev(veth1=(9, 10)))
    with pytest.raises(FactError, match="the client has no link eth0 any more"):
        LinkBytes(pair(proc), LINKS).read()


def test_counters_that_cannot_be_read_are_an_error() -> None:
    with pytest.raises(FactError, match="cannot run"):
        LinkBytes(pair(Proc()), LINKS).read()


def test_without_links_nothing_is_read() -> None:
    proc = Proc()

    assert LinkBytes(pair(proc), []).read() == {}
    assert proc.asked == []
