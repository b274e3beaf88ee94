"""Live pairs: made from a driver's recipe, proved by facts, always torn down."""

from netbench.topology.addressing import ANY, Call, call_of, own_address
from netbench.topology.block import LiveBlock, LivePair, Made, NotUp, stems
from netbench.topology.proof import prove, trimmed
from netbench.topology.readers import choose_reader, choose_sentinel, namespaces_of

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
    "namespaces_of",
    "own_address",
    "prove",
    "stems",
    "trimmed",
]
