import errno
import os
import subprocess
import sys

import pytest

from netbench.probes import PROBES, strerror_name
from netbench.record import METRICS


def test_every_probe_gives_known_metrics_with_its_primary_one_first() -> None:
    for name, kind in PROBES.items():
        probe = kind()
        assert probe.name == name
        assert all(metric in METRICS for metric in probe.metrics)
        assert METRICS[probe.metrics[0]].primary
        assert [METRICS[metric].primary for metric in probe.metrics].count(True) == 1


def test_the_table_is_read_without_the_tools_packages() -> None:
    heavy = "{'iperf3', 'pydantic', 'socket'} & set(sys.modules)"
    code = f"import sys, netbench.probes; print({heavy})"

    seen = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"])
def test_the_systems_words_name_their_errno(name: str) -> None:
    words = os.strerror(getattr(errno, name))

    assert strerror_name(f"iperf3: unable to connect to server: {words}") == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connect failed: Network unreachable", "ENETUNREACH"),
        ("Can`t connect socket (errno=111 Connection refused)", "ECONNREFUSED"),
        ("forcibly closed by a peer (errno=0 Success)", None),
        ("errno=9999", None),
        ("No route to host, then: Connection timed out", "ETIMEDOUT"),
        ("the server is busy running a test. try again later", None),
        ("", None),
    ],
)
def test_other_wordings_and_none(text: str, expected: str | None) -> None:
    assert strerror_name(text) == expected
