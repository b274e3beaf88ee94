import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.analysis.block_pairs import Key, Observed, arm, both, by_key, joined
from netbench.analysis.model import TrialPoint
from netbench.spec import Placement

Seen = tuple[str, int, int, int, float]
"""Driver, replica, block, attempt, value."""


def observed(*seen: Seen) -> Observed:
    """The values of one cell and metric, recorded in this order."""
    key = Key("east-west", "tcp-throughput", Placement.CROSS, "throughput")
    return by_key(
        TrialPoint(number, block, 1, driver, replica, *key, "bit/s", value, attempt)
        for number, (driver, replica, block, attempt, value) in enumerate(seen, 1)
    )[key]


def test_the_baseline_is_the_geometric_mean_of_its_arms() -> None:
    found = observed(("host", 0, 1, 1, 10.0), ("host", 1, 1, 1, 40.0), ("host", 1, 2, 1, 7.0))
    mean = both(found, "host")

    assert mean == pytest.approx({(1, 1): 20.0, (2, 1): 7.0})


def test_a_value_that_has_no_logarithm_counts_only_where_none_is_taken() -> None:
    found = observed(("host", 0, 1, 1, 0.0), ("host", 1, 1, 1, 4.0))

    assert both(found, "host") == {(1, 1): 4.0}
    assert both(found, "host", positive=False) == {(1, 1): 2.0}


def test_an_arm_without_a_value_has_no_block() -> None:
    found = observed(("host", 0, 1, 1, 10.0))

    assert len(arm(None, "host", 0)) == len(arm(found, "bridge", 0)) == 0
    assert len(joined(arm(found, "bridge", 0), both(found, "host"))) == 0


SEEN = st.tuples(
    st.sampled_from(["bridge", "host"]),
    st.integers(0, 1),
    st.integers(1, 4),
    st.integers(1, 3),
    st.floats(0.1, 10),
)


@given(st.lists(SEEN, min_size=1))
def test_blocks_are_those_that_one_finds_one_by_one(seen: list[Seen]) -> None:
    """The first value of each arm and attempt; of the attempts the first that has both sides."""
    first: dict[tuple[str, int, int, int], float] = {}
    for *place, value in seen:
        first.setdefault(tuple(place), value)  # type: ignore[arg-type] # four parts of five
    logs: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for (driver, _, block, attempt), value in first.items():
        if driver == "host":
            logs[block, attempt].append(math.log(value))
    expected: dict[int, tuple[float, float]] = {}
    for block, attempt in sorted(logs):
        own = first.get(("bridge", 0, block, attempt))
        if own is not None and block not in expected:
            mean = math.exp(math.fsum(logs[block, attempt]) / len(logs[block, attempt]))
            expected[block] = own, mean

    pairs = joined(arm(observed(*seen), "bridge", 0), both(observed(*seen), "host"))

    assert pairs.blocks == tuple(expected)
    assert pairs.driver.tolist() == [own for own, _ in expected.values()]
    assert pairs.baseline.tolist() == pytest.approx([mean for _, mean in expected.values()])
    assert pairs.logs.tolist() == pytest.approx(
        [math.log(own / mean) for own, mean in expected.values()], abs=1e-12
    )
