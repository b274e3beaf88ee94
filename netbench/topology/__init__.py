"""Live pairs: made from a driver's recipe, proved by facts, always torn down."""

from netbench.topology.block import LiveBlock, LivePair, Made, NotUp, stems
from netbench.topology.addressing import ANY, Call, call_of, own_address
from netbench.topology.identity import identity
from netbench.topology.parent import parent_problems
from netbench.topology.proof import prove, trimmed
from netbench.topology.readers import choose_reader, choose_sentinel, subject
from netbench.topology.host_facts import surroundings

__all__ = [
    "ANY",
    "Call",
    "LiveBlock",
    "LivePair",
    "Made",
    "NotUp",
    "call_of",
    "choose_reader",
    "choose_sentinel",
    "identity",
    "own_address",
    "parent_problems",
    "prove",
    "stems",
    "subject",
    "surroundings",
    "trimmed",
]
