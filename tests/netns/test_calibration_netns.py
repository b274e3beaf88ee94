import json
import shutil
from pathlib import Path

import pytest
from campaigns import INJECTED, campaign
from injected import Limiter
from kinds import DRIVER, Kind
from short import ShortStream
from support.require import require_or_skip

from netbench.probes import PROBES
from netbench.record import Failure, Sample
from netbench.store import load


@pytest.mark.skipif(shutil.which("tc") is None, reason="tc (iproute2) is not installed")
def test_a_limiter_gives_each_arm_its_rate_and_the_record_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROBES, ShortStream.name, ShortStream)
    kind = Kind("half", "", 1, "limited", blocks="1", limiter=Limiter(0.3e9, 0.5), truth=0.5)

    path = campaign(kind, 1, 0, tmp_path)

    records = list(load(path).records())
    rates = {}
    for record in records:
        if isinstance(record.outcome, Failure) and "tc: " in record.outcome.reason:
            require_or_skip("tbf", f"the kernel has no token bucket: {record.outcome.reason}")
        assert isinstance(record.outcome, Sample), record.outcome
        rates[record.cell.driver, record.replica] = record.outcome.value("throughput")
        (client,) = (end for end in record.endpoints if end.role == "client")
        assert [link.qdisc for link in client.links if link.name == "eth0"] == ["tbf"]
    # A bucket bounds a rate from above, on however busy a machine.
    told = json.loads((path / INJECTED).read_text())["done"]
    assert {one["rate"] for one in told} == {0.15e9, 0.3e9}
    assert rates.keys() == {("bridge:user", 0), ("bridge:user", 1), (DRIVER, 0)}
    assert all(rate and rate < 0.3e9 for rate in rates.values())
    assert rates[DRIVER, 0] < 0.15e9
