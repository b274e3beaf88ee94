"""netbench from Python measures and resumes as the command line does."""

import os
from pathlib import Path

import pytest
from support.require import require_or_skip

import netbench
from netbench.errors import ConfigurationError
from netbench.workflow.options import RunOptions

TRICKLE = str(Path(__file__).parents[1] / "support" / "trickle.toml")


@pytest.mark.usefixtures("namespaces")
def test_python_measures_and_extends_a_run_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() != 0:
        require_or_skip("root", "only the command line enters a user namespace by itself")
    options = RunOptions(output=tmp_path)
    run = netbench.measure(
        options, drivers="host,bridge", engine="netns", suite=TRICKLE, blocks="1"
    )

    assert run.info.status == "complete"
    assert {record.block for record in run.records()} == {1}
    extended = netbench.resume(run.path, blocks="+1")
    assert {record.block for record in extended.records()} == {1, 2}
    assert netbench.resume(run.path).info == extended.info
    with pytest.raises(ConfigurationError, match="unknown driver"):
        netbench.measure(options, drivers="nothing")
    assert capsys.readouterr() == ("", "")
