"""Live pairs: made from a driver's recipe, proved by facts, always torn down."""

from netbench.topology.block import LiveBlock, LivePair, NotUp
from netbench.topology.calls import Call, own_address
from netbench.topology.parent import parent_problems
from netbench.topology.proof import prove, trimmed
from netbench.topology.readers import choose_reader, subject
from netbench.topology.shield import deferred_signals
from netbench.topology.surroundings import surroundings

__all__ = [
    "Call",
    "LiveBlock",
    "LivePair",
    "NotUp",
    "choose_reader",
    "deferred_signals",
    "own_address",
    "parent_problems",
    "prove",
    "subject",
    "surroundings",
    "trimmed",
]
