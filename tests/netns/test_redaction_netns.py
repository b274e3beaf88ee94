"""What a real run lets out of the machine that it ran on."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from support.program import TRICKLE, Ended, Program
from support.require import require_or_skip

from netbench.facts.host import speed_parameters
from netbench.record.redaction import NO_HOST, NO_USER
from netbench.store import load

HOST, USER = "acme-db7", "alice-b"
NAMED = ("unshare", "--uts", "sh", "-c", f'hostname {HOST}.corp.example; exec "$@"', "sh")
"""A hostname of its own, with a domain."""


def measured(folder: Path, *more: str) -> tuple[Path, Ended]:
    """Run once on a machine and as a user with names that tell, and report."""
    if os.geteuid() != 0:
        require_or_skip("root", "only root names the machine anew")
    environment = {"NETBENCH_ENGINE": "netns", "USER": USER, "LOGNAME": USER}
    program = Program(folder, before=NAMED, environment=environment)
    reports = folder / USER / "reports"
    argv = ("run", "--drivers", "host,bridge", "--blocks", "1", "--output", str(reports), *more)
    done = program(*argv, "--suite", program.suite(TRICKLE))
    (run,) = reports.iterdir()
    return run, done


@pytest.fixture(scope="module")
def run(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del namespaces
    folder, done = measured(tmp_path_factory.mktemp("run"))
    assert done.code == 0, done.stderr
    return folder


def texts(run: Path) -> dict[str, str]:
    return {
        str(path.relative_to(run)): path.read_text(errors="replace")
        for path in run.rglob("*")
        if path.is_file()
    }


def own_addresses() -> set[str]:
    """Return MAC and IP addresses of the machine itself, those of every machine apart."""
    rows = json.loads(subprocess.check_output(("ip", "-j", "addr"), text=True))
    macs = {row["address"] for row in rows if row.get("link_type") == "ether"}
    ips = {a["local"] for row in rows if row["ifname"] != "lo" for a in row["addr_info"]}
    return macs | ips


def test_no_file_tells_where_it_was_measured_and_by_whom(run: Path) -> None:
    found = texts(run)
    words = (HOST, "corp.example", USER, *own_addresses())

    assert {"run.json", "records.jsonl", "report.html", "summary.md", "summary.csv"} < set(found)
    assert [name for name in found if name.startswith("raw/")]
    told = [(name, word) for name, text in found.items() for word in words if word in text]
    assert told == []
    assert NO_HOST in "".join(text for name, text in found.items() if name.startswith("raw/"))
    assert NO_USER in found["run.json"]


def test_no_file_tells_how_the_machine_was_booted(run: Path) -> None:
    parameters = Path("/proc/cmdline").read_text()
    quiet = set(parameters.split()) - set(speed_parameters(parameters).split())
    # Some words are said for other reasons too: `ro`, `quiet`.
    telling = {word for word in quiet if "=" in word}

    found = "".join(texts(run).values())
    assert [word for word in telling if re.search(rf"(?<!\S){re.escape(word)}(?!\S)", found)] == []


def test_readers_are_told_and_the_records_are_whole(run: Path) -> None:
    loaded = load(run)

    assert {record.outcome.kind for record in loaded.records()} == {"sample"}
    assert loaded.notes == []
    assert "Names and addresses that identify a site are replaced" in texts(run)["report.html"]
    assert run.stat().st_mode & 0o077


def test_with_identify_everything_is_told_to_its_owner_alone(
    namespaces: None, tmp_path: Path
) -> None:
    del namespaces
    run, done = measured(tmp_path, "--identify")

    assert done.code == 0, done.stderr
    assert dict(load(run).info.facts)["host.name"] == f"{HOST}.corp.example"
    assert HOST in "".join(text for name, text in texts(run).items() if name.startswith("raw/"))
    assert "are replaced" not in texts(run)["report.html"]
    assert run.stat().st_mode & 0o777 == 0o700
