"""All of the pure tests at once run in as many processes as there are CPUs, four at most."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of processes where the user has not; a part of the tests needs only one."""
    option = config.option
    everything = [(config.invocation_params.dir / arg).resolve() for arg in config.args] == [HERE]
    chosen = getattr(option, "numprocesses", 0) is not None or option.capture == "no"
    if everything and not (chosen or option.usepdb or hasattr(config, "workerinput")):
        option.numprocesses, option.dist = min(4, os.cpu_count() or 1), "worksteal"
