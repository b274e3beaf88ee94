"""Simulated machines: sessions measured in slices, as METHOD §1 describes them.

Each block holds `ROUNDS` rounds; each round has one slice of every arm, in random order. A slice's
logarithm is the sum of what the machine does at that moment, what the session (one connection in
one block) has of its own, and noise. A block's value is the mean over its rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ARMS: Final = 3
FIRST, SECOND, DRIVER = range(ARMS)
"""The baseline's two arms, and the driver."""
ROUNDS: Final = 5
SLICE: Final = 0.33
"""Seconds from the start of a slice to that of the next."""
BLOCK: Final = 8.0
"""Seconds from the start of a block to that of the next."""
SLICE_NOISE: Final = 0.06
"""Standard deviation of a slice's logarithm beside its session's."""
SESSION_NOISE: Final = 0.04
"""Standard deviation of what a session has of its own."""
SLOW: Final = float(np.log(0.6))
"""The slow state of a machine that flips between two."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True, slots=True)
class World:
    """How the logarithms of slices stray."""

    name: str
    title: str
    machine: Callable[[np.random.Generator, int, Floats], Floats] | None = None
    """Generator, number of runs and the time of every slice in seconds -> level of the machine at
    each (runs x slices), the same for all arms; None for a machine that does not change."""
    session: Draw = lambda random, shape: random.normal(0, SESSION_NOISE, shape)
    """Generator and shape -> what each session has of its own."""
    scale: float = 1.0
    """Factor on the noise of slices and sessions."""
    dip: float = 0.0
    """Probability that a session of the driver alone runs at half its rate."""

    def offset(self) -> float:
        """Return the mean of the driver's logarithm less that of the baseline's."""
        return self.dip * float(np.log(0.5))


def _flips(dwell: float) -> Callable[[np.random.Generator, int, Floats], Floats]:
    """Return a machine that stays in each of two states for `dwell` seconds in the mean."""

    def level(random: np.random.Generator, runs: int, times: Floats) -> Floats:
        state = random.random(runs) < 1 / 2
        levels = np.empty((runs, len(times)))
        before = times[0]
        for at, time in enumerate(times):
            changed = (1 - np.exp(-2 * (time - before) / dwell)) / 2
            state ^= random.random(runs) < changed
            levels[:, at], before = np.where(state, SLOW, 0.0), time
        return levels

    return level


def _drift(random: np.random.Generator, runs: int, times: Floats) -> Floats:  # noqa: ARG001
    return np.tile(np.log(0.7) * times / times[-1], (runs, 1))


def _walk(random: np.random.Generator, runs: int, times: Floats) -> Floats:
    return np.cumsum(random.normal(0, 0.01, (runs, len(times))), axis=1)


def _t3(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    # Three degrees of freedom have a variance of 3.
    return random.standard_t(3, shape) * 1.5 * SESSION_NOISE / np.sqrt(3)


def _slow_connections(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    slow = np.where(random.random(shape) < 1 / 10, np.log(0.65), 0.0)
    return random.normal(0, SESSION_NOISE, shape) + slow


WORLDS: Final = {
    world.name: world
    for world in (
        World("normal", "normal"),
        World("one-core", "normal, a tenth of that noise, as round trips on one core", scale=0.1),
        World("flip-0.5", "two states, -40 %, flips every 0.5 s", _flips(0.5)),
        World("flip-2", "two states, flips every 2 s", _flips(2.0)),
        World("flip-10", "two states, flips every 10 s", _flips(10.0)),
        World("flip-60", "two states, flips every 60 s", _flips(60.0)),
        World("drift", "drift of -30 % over the run", _drift),
        World("walk", "random walk, 1 % a slice", _walk),
        World("t3", "heavy tails (Student's t, 3)", session=_t3),
        World("connections", "one connection in ten at -35 %", session=_slow_connections),
        World("dips", "one session in twenty of the driver at -50 %", dip=1 / 20),
    )
}


def draw(world: World, random: np.random.Generator, runs: int, blocks: int, ratio: float) -> Floats:
    """Return the block values of every arm, runs x blocks x arms, as logarithms."""
    shape = (runs, blocks, ROUNDS, ARMS)
    logs = random.normal(0, SLICE_NOISE * world.scale, shape)
    if world.machine is not None:
        starts = np.arange(blocks)[:, np.newaxis] * BLOCK
        times = (starts + np.arange(ROUNDS * ARMS) * SLICE).ravel()
        levels = world.machine(random, runs, times).reshape(shape)
        # `levels` is in the order in which slices run; each round has an order of its own.
        order = random.permuted(np.broadcast_to(np.arange(ARMS), shape), axis=-1)
        logs += np.take_along_axis(levels, order, axis=-1)
    values = logs.mean(axis=2) + world.scale * world.session(random, (runs, blocks, ARMS))
    dipped = random.random((runs, blocks)) < world.dip
    values[:, :, DRIVER] += np.log(ratio) + np.where(dipped, np.log(0.5), 0.0)
    return values


def deltas(values: Floats) -> Floats:
    """Return ln(driver) less the mean of both baseline arms' ln, runs x blocks."""
    return values[..., DRIVER] - (values[..., FIRST] + values[..., SECOND]) / 2
