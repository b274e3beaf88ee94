"""The search for the highest load that keeps a loss goal, in the terms of MLRsearch. Pure.

draft-ietf-bmwg-mlrsearch. A *goal* is a loss ratio that trials may have, together with the share
of them that may have more, the *exceed ratio*. A load that so many short trials keep is a *lower
bound* of the goal, one that they miss an *upper bound*; until that is certain it is neither. The
*relevant upper bound* is the smallest upper bound, the *relevant lower bound* the largest lower
bound beneath it: the result of the goal. Every goal learns from every trial. A trial whose sender
did not reach the load has missed every goal: nobody knows what the path would have lost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EXCEED: Final = 0.5
"""Share of a load's trials that may miss a goal: the majority decides."""
REACHED: Final = 0.98
"""Share of a load that a sender must have sent."""


@dataclass(frozen=True, slots=True)
class LoadTrial:
    """One short trial at a load; rates in bit/s of payload."""

    load: int
    """Asked for."""
    sent: float
    received: float
    loss: float
    """Datagrams lost over datagrams counted, 0 to 1."""

    @property
    def unsent(self) -> bool:
        """Tell whether the sender fell short of the load."""
        return self.sent < REACHED * self.load

    def exceeds(self, goal: float) -> bool:
        """Tell whether it misses a goal."""
        return self.unsent or self.loss > goal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search may try."""

    lowest: int
    """bit/s."""
    cap: int
    """bit/s; the first trial is here, and only shows where to look."""
    width: float
    """Relative width of the bounds at which a goal is reached."""
    trials: int
    """Of one load, where the first of them disagree."""
    most: int
    """Trials in all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Relevant bounds of one goal, bit/s; None where there is none."""

    lower: int | None
    upper: int | None

    def narrow(self, limits: Limits) -> bool:
        """Tell whether nothing is left to be learnt."""
        if self.lower is None:
            return self.upper is not None and self.upper <= limits.lowest
        if self.upper is None:
            return self.lower >= limits.cap
        return self.upper <= self.lower * (1 + limits.width)


def bounds(trials: Sequence[LoadTrial], goal: float, limits: Limits) -> Bounds:
    """Return the relevant bounds of a goal after all trials but the first, which only explores."""
    loads = sorted({trial.load for trial in trials[1:]})
    classes = {load: _class(trials, load, goal, limits.trials) for load in loads}
    upper = min((load for load in loads if classes[load] == "upper"), default=None)
    beneath = math.inf if upper is None else upper
    lowers = (load for load in loads if classes[load] == "lower" and load < beneath)
    return Bounds(max(lowers, default=None), upper)


def next_load(trials: Sequence[LoadTrial], goals: Sequence[float], limits: Limits) -> int | None:
    """Return the load to try next, None where every goal is reached or the trials are used up."""
    if not trials:
        return limits.cap
    if len(trials) >= limits.most:
        return None
    for goal in goals:
        load = _towards(trials, goal, limits)
        if load is not None:
            return load
    return None


def _class(trials: Sequence[LoadTrial], load: int, goal: float, most: int) -> str:
    """Return `lower`, `upper` or `open`: what no outcome of the trials still due can change."""
    missed = [trial.exceeds(goal) for trial in trials[1:] if trial.load == load]
    due = max(0, most - len(missed))
    if sum(missed) > EXCEED * most:
        return "upper"
    return "lower" if sum(missed) + due <= EXCEED * most else "open"


def _towards(trials: Sequence[LoadTrial], goal: float, limits: Limits) -> int | None:
    """Return the load that tells most about one goal, None where it is reached."""
    found = bounds(trials, goal, limits)
    first = trials[0]
    if found.upper is None and first.exceeds(goal):
        found = Bounds(found.lower, limits.cap)  # one trial there is enough to look below
    if found.narrow(limits):
        return None
    begun = _begun(trials, goal, found, limits)
    if begun is not None:
        return begun
    if found.lower is not None:
        # Without an upper bound nothing was lost at the cap.
        return limits.cap if found.upper is None else round(math.sqrt(found.lower * found.upper))
    if found.upper is None:
        return limits.cap
    if found.upper == limits.cap:
        return _within(min(first.sent, first.received), limits)
    return _within(found.upper / _step(trials, goal, limits), limits)


def _begun(trials: Sequence[LoadTrial], goal: float, found: Bounds, limits: Limits) -> int | None:
    """Return a load between the bounds that was tried and is not classified yet."""
    low = found.lower or 0
    high = limits.cap + 1 if found.upper is None else found.upper
    between = sorted({trial.load for trial in trials[1:] if low < trial.load < high})
    return next((x for x in between if _class(trials, x, goal, limits.trials) == "open"), None)


def _step(trials: Sequence[LoadTrial], goal: float, limits: Limits) -> float:
    """Return by how much to go down: the further, the more loads have missed the goal."""
    tried = {trial.load for trial in trials[1:]}
    missed = sum(_class(trials, load, goal, limits.trials) == "upper" for load in tried)
    return float((1 + limits.width) ** (2**missed))


def _within(load: float, limits: Limits) -> int:
    """Return a load that is no lower than the lowest and clearly below the cap."""
    return max(limits.lowest, round(min(load, limits.cap / (1 + limits.width))))
