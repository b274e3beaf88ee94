from collections.abc import Callable

import pytest
from support.campaign import Campaign, noisy

from netbench.analysis import QualityWarning, Verdict, analyse


def run(shape: Callable[[int], float], blocks: int = 10, seed: int = 1) -> list[QualityWarning]:
    """A run whose every arm follows a shape over the blocks, with 2 % noise."""
    noise = noisy({"bridge": 0.8}, deviation=0.02, seed=seed)
    campaign = Campaign(
        lambda d, replica, block: noise(d, replica, block) * shape(block),  # type: ignore[operator] # the model gives numbers
        blocks=blocks,
    )
    analysis = analyse(campaign.info(), campaign.records())
    (contrast,) = analysis.contrasts
    assert contrast.verdict in {Verdict.SLOWER, Verdict.UNDECIDED}
    return [w for w in analysis.warnings if w.kind == "drift"]


def test_a_slow_drift_is_told_with_its_size() -> None:
    (found,) = run(lambda block: 1.03**-block)

    assert "host itself moved in tcp-throughput on placement cross" in found.message
    assert "a drift of -2" in found.message


def test_a_step_is_told_with_its_block() -> None:
    (found,) = run(lambda block: 0.8 if block > 6 else 1.0)

    assert "a step of -" in found.message
    assert found.message.endswith("at block 7")


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [
        pytest.param(lambda _: 1.0, 12, id="steady"),
        pytest.param(lambda block: 1.002**block, 12, id="less than the margin"),
        pytest.param(lambda block: 0.5 if block > 3 else 1.0, 7, id="too few blocks"),
        pytest.param(lambda block: 1.2 if block % 2 else 1.0, 12, id="to and fro"),
    ],
)
def test_what_is_no_drift(shape: Callable[[int], float], blocks: int) -> None:
    assert run(shape, blocks) == []
