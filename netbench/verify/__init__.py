"""What drivers promise, held against what is so: promises by facts, reach by real connects."""

from netbench.verify.connects import Answer, Attempt, Protocol
from netbench.verify.matrix import Row
from netbench.verify.one import NotVerified, Verified, verify_driver
from netbench.verify.servers import check_tools

__all__ = [
    "Answer",
    "Attempt",
    "NotVerified",
    "Protocol",
    "Row",
    "Verified",
    "check_tools",
    "verify_driver",
]
