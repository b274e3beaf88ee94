import math
from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from netbench.probes.iperf3.search import Limits, LoadTrial, bounds, next_load

GOALS = (0.0, 0.001, 0.005)
LIMITS = Limits(lowest=10_000_000, cap=10_000_000_000, width=0.1, trials=3, most=200)
RATES = st.floats(1e6, 2e10)
Path = Callable[[int], float]
"""Loss ratio at a load."""


def trial(load: int, loss: float) -> LoadTrial:
    return LoadTrial(load, float(load), load * (1 - loss), loss)


def search(path: Path, limits: Limits = LIMITS) -> list[LoadTrial]:
    found: list[LoadTrial] = []
    while (load := next_load(found, GOALS, limits)) is not None:
        assert limits.lowest <= load <= limits.cap
        found.append(trial(load, path(load)))
        assert len(found) <= limits.most
    return found


def step(bears: float) -> Path:
    """Return a path that loses what is above its rate."""
    return lambda load: max(0.0, 1 - bears / load)


@given(RATES)
def test_a_path_that_loses_above_a_rate_is_found_within_the_width(bears: float) -> None:
    trials = search(step(bears))

    for goal in GOALS:
        found = bounds(trials, goal, LIMITS)
        edge = bears / (1 - goal)
        if edge < LIMITS.lowest:
            assert found.lower is None
        elif edge >= LIMITS.cap:
            assert found.lower == LIMITS.cap
        else:
            assert found.lower is not None
            assert edge / 1.11 <= found.lower <= edge
    assert len(trials) <= 45


@given(RATES)
def test_no_goal_is_kept_at_a_higher_load_than_a_looser_one(bears: float) -> None:
    trials = search(step(bears))
    lowers = [bounds(trials, goal, LIMITS).lower or 0 for goal in GOALS]

    assert lowers == sorted(lowers)


@given(RATES, st.integers(0, 2**32), st.floats(0, 0.4))
def test_noise_ends_the_search_and_every_bound_has_its_majority(
    bears: float, seed: int, share: float
) -> None:
    random = Random(seed)  # noqa: S311 -- noise, not a secret

    def noisy(load: int) -> float:
        return 0.01 if random.random() < share else step(bears)(load)

    trials = search(noisy)

    for goal in GOALS:
        found = bounds(trials, goal, LIMITS)
        for load, kept in ((found.lower, True), (found.upper, False)):
            votes = [t.exceeds(goal) for t in trials[1:] if t.load == load]
            assert load is None or sum(vote is not kept for vote in votes) >= 2
            assert len(votes) <= 3


@given(st.integers(0, 2**32))
def test_a_path_without_order_ends_too_and_reports_below_its_smallest_upper_bound(
    seed: int,
) -> None:
    """Some loads are lost and higher ones are not: a lower bound above an upper one is none."""

    def wild(load: int) -> float:
        noise = Random(f"{seed} {load}")  # noqa: S311 -- noise, not a secret
        return noise.choice([0.0, 0.0005, 0.002, 0.1])

    trials = search(wild)

    for goal in GOALS:
        found = bounds(trials, goal, LIMITS)
        assert found.lower is None or found.upper is None or found.lower < found.upper


@given(RATES, st.floats(0.01, 1))
def test_a_narrower_width_only_narrows(bears: float, width: float) -> None:
    limits = Limits(LIMITS.lowest, LIMITS.cap, width, 1, 300)
    found = bounds(search(step(bears), limits), 0.0, limits)

    if LIMITS.lowest < bears < LIMITS.cap:
        assert found.lower is not None
        assert found.lower <= bears
        assert bears / found.lower <= (1 + width) * 1.001


def test_the_search_begins_at_the_cap_and_goes_on_where_the_receiver_kept_up() -> None:
    first = trial(LIMITS.cap, 0.8)

    assert next_load([], GOALS, LIMITS) == LIMITS.cap
    assert next_load([first], GOALS, LIMITS) == round(first.received)


def test_one_lost_burst_does_not_condemn_a_load() -> None:
    found = [trial(LIMITS.cap, 0.8), trial(10**9, 0.02), trial(10**9, 0.0), trial(10**9, 0.0)]

    assert bounds(found[:3], 0.0, LIMITS).lower is None
    assert bounds(found, 0.0, LIMITS).lower == 10**9


def test_a_load_that_the_sender_did_not_reach_is_missed_whatever_came() -> None:
    short = LoadTrial(10**9, 0.9e9, 0.9e9, 0.0)
    found = [trial(LIMITS.cap, 0.8), short, short]

    assert all(bounds(found, goal, LIMITS).upper == 10**9 for goal in GOALS)


def test_trials_that_are_used_up_end_the_search() -> None:
    few = Limits(LIMITS.lowest, LIMITS.cap, 0.01, 3, 4)

    assert len(search(step(1e9), few)) == 4


def test_bisection_is_in_the_logarithm() -> None:
    found = [trial(LIMITS.cap, 0.9), *[trial(10**9, 0.0)] * 2, *[trial(4 * 10**9, 0.5)] * 2]

    assert next_load(found, GOALS, LIMITS) == round(math.sqrt(10**9 * 4 * 10**9))
