"""What short connections leave behind, read from the kernel's own texts."""

from pathlib import Path

import pytest

from netbench.errors import FactError
from netbench.facts.pair import NamespaceSet
from netbench.facts.registry import FACTS
from netbench.record import Absent
from netbench.spec import Role
from netbench.watch import (
    ConnectionWatch,
    failed_connects,
    passive_opens,
    time_wait,
)

SOCKSTAT = """\
sockets: used 2
TCP: inuse {inuse} orphan 0 tw {tw} alloc 7 mem 164
UDP: inuse 0 mem 0
"""
SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets
Tcp: 1 200 120000 -1 16630 42 {failed} 0
Udp: InDatagrams
Udp: 0
"""


class Namespaces:
    """Files that change from one reading to the next."""

    def __init__(self, **files: list[str]) -> None:
        self.files = files

    def subject(self, role: Role) -> NamespaceSet:
        return NamespaceSet(role, 2**22 + 1, (), self.read)

    def read(self, argv: tuple[str, ...]) -> str:
        name = Path(argv[-1]).name
        if name not in self.files:
            raise FactError(f"cat: {argv[-1]}: No such file or directory")
        return self.files[name].pop(0)


def watched(**files: list[str]) -> dict[str, object]:
    space = Namespaces(**files)
    roles = (Role.CLIENT, Role.SERVER, Role.HOST)
    watch = ConnectionWatch(*map(space.subject, roles))
    watch.start()
    return dict(watch.stop())


def test_before_and_after_are_told_and_failures_as_their_difference() -> None:
    found = watched(
        nf_conntrack_count=["3\n", "10003\n"],
        sockstat=[SOCKSTAT.format(inuse=1, tw=0), SOCKSTAT.format(inuse=1, tw=10000)],
        snmp=[SNMP.format(failed=2), SNMP.format(failed=5)],
    )

    assert found == {
        "trial.conntrack_before": 3,
        "trial.conntrack_after": 10003,
        "trial.time_wait_before": 0,
        "trial.time_wait_after": 10000,
        "trial.connect_failures": 3,
    }
    assert set(found) <= set(FACTS)


def test_what_is_not_there_is_absent_with_its_reason() -> None:
    found = watched(sockstat=["TCP: none\n"] * 2, snmp=["Tcp: a\nTcp: 1\n"] * 2)

    conntrack = found["trial.conntrack_after"]
    assert isinstance(conntrack, Absent)
    assert "No such file" in conntrack.reason
    assert all(isinstance(value, Absent) for value in found.values())


def test_the_running_kernels_own_files_are_read() -> None:
    assert time_wait(Path("/proc/net/sockstat").read_text()) >= 0
    assert failed_connects(Path("/proc/net/snmp").read_text()) >= 0


def test_what_a_namespace_has_accepted_is_counted() -> None:
    server = Namespaces(snmp=[SNMP.format(failed=2)]).subject(Role.SERVER)

    assert passive_opens(server) == 42


@pytest.mark.parametrize("files", [{}, {"snmp": ["Tcp: a\nTcp: 1\n"]}, {"snmp": [""]}])
def test_a_count_that_cannot_be_read_is_an_error(files: dict[str, list[str]]) -> None:
    with pytest.raises(FactError):
        passive_opens(Namespaces(**files).subject(Role.SERVER))


@pytest.mark.parametrize("text", ["", "Tcp: x\n", "UDP: inuse 0 tw 3"])
def test_other_text_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"Tcp|TCP"):
        time_wait(text)
    with pytest.raises(ValueError, match=r"Tcp|TCP"):
        failed_connects(text)
