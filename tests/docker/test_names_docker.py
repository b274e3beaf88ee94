"""Names as containers look them up on a real Docker Engine; a DNS server of the lab's answers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dockerd import Lab
from support.hang import HANG
from support.program import Program, records

SERVER, ANSWER = "198.51.100.53", "198.51.100.80"
SCRIPT = Path(__file__).parents[1] / "lab" / "nameserver"
SUITE = """
[probes.name-lookup]
repeats = 3
outside = "outside.example"
[[cell]]
probe = "name-lookup"
"""


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return lab.beside(Program(tmp_path))


@pytest.fixture
def resolver(lab: Lab, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The name server of the engine's host, at an address of its own."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {SERVER}\n")
    lab.inside("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
    mount = ("nsenter", f"--mount=/proc/{lab.holder}/ns/mnt")
    argv = (*lab.before, sys.executable, str(SCRIPT), SERVER, f"outside.example={ANSWER}")
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        subprocess.run(
            (*mount, "mount", "--bind", str(file), "/etc/resolv.conf"), check=True, timeout=HANG
        )
        try:
            yield server
        finally:
            subprocess.run((*mount, "umount", "/etc/resolv.conf"), check=True, timeout=HANG)
    finally:
        server.kill()
        server.communicate()
        lab.inside("ip", "address", "delete", f"{SERVER}/32", "dev", "lo")


def looked_up(program: Program, drivers: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the outcome of each driver."""
    done = program(
        *("run", "--engine", "docker", "--drivers", drivers, "--blocks", "1"),
        *("--suite", program.suite(SUITE), "--json", "--quiet"),
    )
    found = records(program.run_folder())
    return done.code, {r["cell"]["driver"]: r["outcome"] for r in found if not r["replica"]}


@pytest.mark.usefixtures("resolver")
def test_names_are_looked_up_by_each_containers_own_resolver(program: Program) -> None:
    code, found = looked_up(program, "host,bridge,bridge:user,none")

    assert code == 0, found
    for driver in ("host", "bridge", "bridge:user"):
        outcome = found[driver]
        assert outcome["kind"] == "sample", outcome
        values = {m["metric"]: m["value"] for m in outcome["measurements"]}
        details = dict(outcome["details"])
        named = driver == "bridge:user"  # whose containers have names to each other
        assert ("lookup_peer" in values) == named
        assert ("lookup_peer_first" in values) == named
        assert ("127.0.0.11" in details["lookup.resolver"]) == named
        assert details["lookup.asked"] == (12 if named else 8)
        assert values["lookup_failures"] == 0, details
        assert all(0 < values[name] < 5 for name in values if name != "lookup_failures")
        assert len(outcome["series"]) == 4
    assert found["none"]["kind"] == "skip"
    assert found["none"]["by_design"]


def test_a_name_server_that_is_gone_is_a_failure_and_no_number(
    program: Program, resolver: subprocess.Popen[str]
) -> None:
    resolver.kill()
    resolver.wait()

    code, found = looked_up(program, "host,bridge:user")

    assert code in {3, 4}
    assert {outcome["kind"] for outcome in found.values()} == {"failure"}
    assert "outside: ECONNREFUSED (4)" in found["host"]["reason"]
    assert "outside: SERVFAIL (4)" in found["bridge:user"]["reason"]
    assert "peer:" not in found["bridge:user"]["reason"]  # the engine itself still knows it
