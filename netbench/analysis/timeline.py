"""The sentinel's readings over a run: what the machine was like (METHOD §1b)."""

import math

import numpy as np

from netbench.analysis.columns import Column, Rows, Words
from netbench.analysis.frame import Trials
from netbench.analysis.series import SentinelPoint
from netbench.spec import Placement


def readings(trials: Trials) -> Rows[SentinelPoint]:
    """Return every usable reading, by time from the run's first one.

    All sessions of a probe in one block share its readings; each stands here once, with the first
    of their records.
    """
    value = np.concatenate((trials.before, trials.after))
    at = np.concatenate((trials.before_at, trials.after_at))
    known = ~np.isnan(at + value)
    placement = np.tile(trials.placement.codes, 2)
    record = np.tile(trials.record, 2)
    columns: dict[str, Column] = {
        "record": record,
        "driver": Words(np.tile(trials.driver.codes, 2), trials.driver.names),
        "placement": Words(placement, tuple(map(Placement, trials.placement.names))),
        "at": at - np.min(at, initial=math.inf, where=known),
        "value": value,
        "when": Words(np.repeat(np.array([1, 0], np.int32), len(trials)), ("after", "before")),
    }
    order = np.lexsort((record, value, placement, at))
    order = order[known[order]]
    first = np.ones(len(order), np.bool_)
    first[1:] = False
    for column in (at, placement, value):
        first[1:] |= column[order][1:] != column[order][:-1]
    return Rows(SentinelPoint, columns).at(order[first])
