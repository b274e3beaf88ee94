"""Two real runs of the same thing beside each other must not be called different."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.require import require_or_skip

from netbench.cli import run_command_line
from netbench.plan import Options
from netbench.workflow.options import RunOptions
from netbench.workflow.run import measure

SUITE = """
name = "compared"
[probes.tcp-throughput]
rounds = 4
slice = 0.1
[probes.tcp-rr]
rounds = 4
slice = 0.05
[[cell]]
probe = "tcp-throughput"
placement = "same"
[[cell]]
probe = "tcp-rr"
placement = "same"
"""


@pytest.fixture(scope="module")
def folders(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two runs of host and bridge, one after the other, of a few short slices each."""
    del namespaces
    if os.geteuid() != 0:
        require_or_skip("root", "only the command line enters a user namespace by itself")
    parent = tmp_path_factory.mktemp("compared")
    suite = parent / "compared.toml"
    suite.write_text(SUITE)
    options = Options(drivers="host,bridge", engine="netns", suite=str(suite), blocks="6")
    wishes = RunOptions(
        output=parent / "reports",
    )
    made = [measure(options, wishes) for _ in range(2)]
    assert [status for _, status in made] == ["complete", "complete"]
    return f"kept={made[0][0]}", f"today={made[1][0]}"


def compared(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], *more: str
) -> tuple[int, Any]:
    code = run_command_line(["compare", "--json", *folders, *more])
    return code, json.loads(capsys.readouterr().out)


def test_two_runs_of_the_same_thing_are_not_called_different(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = compared(capsys, folders)

    assert code == 0, document
    assert [d["fact"] for d in document["differences"] if d["confounder"]] == []
    assert document["verdict_withheld"] is False
    own = {"tcp-throughput": "throughput", "tcp-rr": "transactions"}
    found = [c for c in document["contrasts"] if c["metric"] == own[c["probe"]]]
    assert {(c["driver"], c["probe"], c["basis"]) for c in found} == {
        (driver, probe, basis)
        for probe in own
        for driver, basis in (
            ("host", "absolute"),
            ("bridge", "absolute"),
            ("bridge", "relative"),
        )
    }
    assert {c["verdict"] for c in document["contrasts"]} <= {"equivalent", "undecided"}
    assert all(c[side]["median"] > 0 for c in found for side in ("left", "right"))
    assert Path(document["page"]).read_text().startswith("<!doctype html>")


def test_budgets_hold_between_real_runs(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    wide, narrow = (f"bridge/host.transactions >= {f} kept" for f in ("0.000001", "1000000"))
    met = compared(capsys, folders, "--require", wide, "--allow-undecided")
    missed = compared(capsys, folders, "--require", narrow)

    assert met[0] == 0
    assert missed[0] == 1
    assert missed[1]["budgets"][0]["status"] in {"not met", "not decided"}
