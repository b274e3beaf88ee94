"""netbench across two engines under a kernel that has what this one may lack: ESP and ipvlan."""

from pathlib import Path

import pytest
from support.inventory import difference
from support.program import Program, records
from support.two_engines import WIRE, TwoEngines

pytestmark = pytest.mark.guest

SHORT = """
name = "short"
[probes.tcp-throughput]
rounds = 3
[[cell]]
probe = "tcp-throughput"
placement = "none"
"""


@pytest.mark.parametrize(
    ("drivers", "more"),
    [("host,overlay@encrypted=true", "--init-swarm"), ("host,ipvlan:l2", f"--parent={WIRE}")],
)
def test_it_is_proved_on_both_machines(
    two_engines: TwoEngines, tmp_path: Path, drivers: str, more: str
) -> None:
    two = two_engines
    program = Program(tmp_path, before=two.a.before, environment=two.contexts())
    names = ("--context", "unix-a", "--peer-context", "unix-b", "--peer-address", two.b.address)
    suite = ("--suite", program.suite(SHORT), "--blocks", "2", "--output", f"{tmp_path}/reports")
    before = two.inventory()

    ended = program("run", *names, *suite, "--drivers", drivers, more, "--json")

    assert ended.code == 0, ended.stderr
    found = records(program.run_folder())
    assert {one["outcome"]["kind"] for one in found} == {"sample"}
    last = drivers.partition(",")[2]
    for record in (one for one in found if one["cell"]["driver"] == last):
        hops = [(hop["namespace"], hop["link"]) for hop in record["path"]["hops"]]
        assert {("client's host", WIRE), ("host", WIRE)} <= {*hops}
        if "overlay" in last:
            assert {("client's host", "esp"), ("host", "esp")} <= {*hops}
        assert all(
            hop["moved"] >= record["path"]["required"]
            for hop in record["path"]["hops"]
            if hop["counted"] != "none"
        )
    # Of an encrypted network the engine leaves its states, and its rules for them, behind.
    engines = {"iptables", "xfrm"} if "overlay" in last else set()
    left = difference(before, two.inventory())
    assert {name for name in left if name.partition(": ")[2] not in engines} == set()
