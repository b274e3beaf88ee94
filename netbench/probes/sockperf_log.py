"""sockperf's log of every round trip, cut into the slices of a session.

The log has a clock of its own. Where the client was held, no message left: such gaps tell the
slices apart and, held against when we let it go on, how far the two clocks lie from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netbench.errors import ProbeError
from netbench.probes.base import Window

_GAP: Final = 0.4  # share of the shortest hold from which a time without messages counts as one
_MICRO: Final = 1e-6
_LONGEST: Final = 1e6  # seconds; a log's clock begins when sockperf starts
_TRIED: Final = 3, 100  # slices and gaps that are tried for each other: a log may begin late
Column = NDArray[np.float64]  # one value for each round trip


@dataclass(frozen=True, slots=True)
class Round:
    """What one slice holds."""

    times: Column  # seconds, of the messages that left and were answered within it
    seconds: float  # from the first one's leaving to the last one's answer; 0 without a message
    replies: int  # answers in the whole time that the client was let go on for


_Log = tuple[Column, Column, Column]  # seconds: sent, ascending, and answered; time taken


def rounds_of(text: str, windows: Sequence[Window]) -> tuple[Round, ...]:
    """Return what each slice holds of a log, in their order; ProbeError where it is none."""
    log = _read(text)
    if not windows:
        raise ProbeError("sockperf: no slice was measured")
    holds = [later.released - earlier.end for earlier, later in pairwise(windows)]
    margin = _GAP * min(holds, default=1.0)
    offset = _offset(log[0], windows, margin)
    return tuple(_round(log, window, offset, margin) for window in windows)


def _read(text: str) -> _Log:
    lines = [line for line in text.splitlines() if line[:1].isdigit()]
    if not lines:
        raise ProbeError("sockperf logged no round trip")
    try:
        sent, answered, taken = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None).T[1:]
    except ValueError as exc:
        raise ProbeError(f"sockperf: unreadable line of its log: {exc}") from exc
    taken = taken * _MICRO
    if not (np.diff(sent) >= 0).all() or not ((taken > 0) & (taken < _LONGEST)).all():
        raise ProbeError("sockperf's log does not ascend, or holds round trips of no time")
    if not all((np.abs(at) < _LONGEST).all() for at in (sent, answered)):
        raise ProbeError("sockperf's log holds times that no run reaches")
    return sent, answered, taken


def _offset(sent: Column, windows: Sequence[Window], margin: float) -> float:
    """Return by how many seconds sockperf's clock is ahead of CLOCK_MONOTONIC.

    Each time without messages ends when the client was let go on, or when the machine gave it a
    CPU again. Of the offsets that put such an end at the beginning of a slice, the one with the
    most messages within slices is right, refined by the median of all ends that fit it.
    """
    after_gap = np.flatnonzero(np.diff(sent) > margin) + 1
    starts = sent[np.r_[0, after_gap]]
    released = np.array([window.released for window in windows])
    first, most = _TRIED
    tried = (starts[:most, None] - released[:first]).T.ravel().tolist()
    best = max(tried, key=lambda offset: _within(offset, sent, windows, margin))
    near = starts[np.abs(starts[:, None] - released - best).argmin(axis=0)]
    fitting = np.abs(near - released - best) <= margin
    return float(np.median((near - released)[fitting]))


def _within(offset: float, sent: Column, windows: Sequence[Window], margin: float) -> int:
    """Return how many messages left within slices, if sockperf's clock is so far ahead."""
    ends = np.array([window.end for window in windows]) + offset + margin
    starts = np.array([window.released for window in windows]) + offset - margin
    return int((np.searchsorted(sent, ends) - np.searchsorted(sent, starts)).sum())


def _round(log: _Log, window: Window, offset: float, margin: float) -> Round:
    """Return what lies between the edges of a slice and was answered before the hold."""
    sent, answered, taken = log
    edge = window.end + offset + margin
    edges = np.array((window.released - margin, window.start, window.end)) + offset
    begun, first, behind = np.searchsorted(sent, edges).tolist()
    whole = first + np.flatnonzero(answered[first:behind] <= edge)
    seconds = float(answered[whole[-1]] - sent[whole[0]]) if whole.size else 0.0
    return Round(taken[whole], seconds, max(0, behind - begun))
