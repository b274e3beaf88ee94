"""Simulated machines: what the trials of a campaign would give, block by block."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ARMS: Final = 3
"""Baseline, its second pair, driver."""
BASE, SECOND, DRIVER = range(ARMS)


@dataclass(frozen=True, slots=True)
class World:
    """How the logarithm of a trial's value strays."""

    name: str
    title: str
    stray: Callable[[np.random.Generator, int], Floats]
    """Generator and number of trials -> the stray of each, in the order in which they run."""


def _normal(deviation: float) -> Callable[[np.random.Generator, int], Floats]:
    return lambda random, count: random.normal(0, deviation, count)


def _t3(random: np.random.Generator, count: int) -> Floats:
    # Three degrees of freedom have a variance of 3.
    return random.standard_t(3, count) * 0.05 / np.sqrt(3)


def _dips(random: np.random.Generator, count: int) -> Floats:
    dips = np.where(random.random(count) < 1 / 10, np.log(0.7), 0.0)
    return random.normal(0, 0.05, count) + dips


def _bimodal(random: np.random.Generator, count: int) -> Floats:
    modes = np.where(random.random(count) < 1 / 2, np.log(0.8), 0.0)
    return random.normal(0, 0.02, count) + modes


def _drift(random: np.random.Generator, count: int) -> Floats:
    return random.normal(0, 0.03, count) + np.linspace(0, np.log(0.7), count)


def _step(random: np.random.Generator, count: int) -> Floats:
    at = random.integers(0, count)
    return random.normal(0, 0.03, count) + np.where(np.arange(count) < at, 0.0, np.log(0.7))


def _walk(random: np.random.Generator, count: int) -> Floats:
    return random.normal(0, 0.03, count) + np.cumsum(random.normal(0, 0.02, count))


WORLDS: Final = {
    world.name: world
    for world in (
        World("normal", "normal, 5 %", _normal(0.05)),
        World("t3", "heavy tails (Student's t, 3), 5 %", _t3),
        World("dips", "normal, 5 %; every tenth trial -30 %", _dips),
        World("bimodal", "two modes 20 % apart, each trial in either, 2 %", _bimodal),
        World("drift", "drift of -30 % over the run, 3 %", _drift),
        World("step", "one step of -30 % at any trial, 3 %", _step),
        World("walk", "random walk of 2 % a trial, 3 %", _walk),
    )
}
OF_EACH_ARM: Final = World("arms-5", "5 % of each arm's value", _normal(0.05))
OF_THE_RATIO: Final = World("ratio-5", "5 % of the ratio", _normal(0.05 / float(np.sqrt(2))))


@dataclass(frozen=True, slots=True)
class Blocks:
    """A campaign's trials."""

    logs: Floats
    """Blocks x arms: the logarithm of each value."""
    positions: Floats
    """Blocks x arms: order within the block, from 1."""


def draw(world: World, random: np.random.Generator, blocks: int, ratio: float) -> Blocks:
    """Return a campaign: in every block each arm once, in random order."""
    order = random.permuted(np.tile(np.arange(ARMS), (blocks, 1)), axis=1)
    strays = world.stray(random, blocks * ARMS).reshape(blocks, ARMS)
    logs, positions = np.empty((blocks, ARMS)), np.empty((blocks, ARMS))
    np.put_along_axis(logs, order, strays, axis=1)
    places = np.tile(np.arange(1.0, ARMS + 1), (blocks, 1))
    np.put_along_axis(positions, order, places, axis=1)
    logs[:, DRIVER] += np.log(ratio)
    return Blocks(logs, positions)
