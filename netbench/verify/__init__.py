"""What drivers promise, held against what is so: promises by facts, reach by real connects."""

from netbench.verify.connects import ConnectAttempt, ConnectResult, Protocol
from netbench.verify.driver import NotVerified, Verified, verify_driver
from netbench.verify.matrix import ReachResult
from netbench.verify.servers import check_tools

__all__ = [
    "ConnectAttempt",
    "ConnectResult",
    "NotVerified",
    "Protocol",
    "ReachResult",
    "Verified",
    "check_tools",
    "verify_driver",
]
