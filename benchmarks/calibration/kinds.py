"""The campaigns: what is compared, what is done to it, and what would be the truth."""

from dataclasses import dataclass
from typing import Final

from injected import Limiter

BASELINE: Final = "bridge:user"
DRIVER: Final = "bridge:user@mtu=1500"
"""The same network in all but its name: 1500 is what the kernel gives a bridge anyway."""
GIGABIT: Final = 1e9
LIMITED: Final = "limited"
ROUND_TRIPS: Final = "round-trips"
MESSAGE: Final = 80
"""Bytes on the link of a round trip's request: 14, and TCP with time stamps, IPv4, Ethernet."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of campaign."""

    name: str
    title: str
    campaigns: int
    """How many are wanted."""
    suite: str = "stream"
    blocks: str | None = "8"
    """None for the rule that stops by itself."""
    limiter: Limiter | None = None
    neighbour: bool = False
    seconds: float = 16.0
    """What one is expected to take: drift and step are spread over it."""
    truth: float = 1.0
    """The ratio that a run should find."""


def _limited(title: str, name: str, limiter: Limiter, campaigns: int = 20) -> Kind:
    return Kind(name, title, campaigns, LIMITED, limiter=limiter, truth=limiter.ratio)


KINDS: Final = (
    Kind("aa-round-trips", "A/A, round trips, 8 blocks", 150, ROUND_TRIPS),
    Kind("aa-stream", "A/A, throughput, 8 blocks", 45),
    Kind("aa-sockperf", "A/A, round trips by sockperf, 8 blocks", 8, "sockperf", seconds=50),
    *(
        _limited(
            f"limiter at {ratio:.2f}", f"limit-{ratio:.2f}", Limiter(GIGABIT, ratio), campaigns=12
        )
        for ratio in (1.0, 0.97, 0.9)
    ),
    *(
        _limited(
            f"limiter at {ratio:.2f}, every trial's rate off by 3 %",
            f"noisy-{ratio:.2f}",
            Limiter(GIGABIT, ratio, noise=0.03),
        )
        for ratio in (1.0, 0.97, 0.9)
    ),
    _limited(
        "drift of -30 % in all arms alike", "drift", Limiter(GIGABIT, noise=0.01, course="drift")
    ),
    _limited(
        "step of -30 % in all arms alike", "step", Limiter(GIGABIT, noise=0.01, course="step")
    ),
    Kind(
        "delay-0.90",
        "delay: each round trip takes 100 us, and 111 us",
        12,
        suite="delayed",
        limiter=Limiter(MESSAGE * 8 / 100e-6, 0.9, burst=1600),
        truth=0.9,
    ),
    Kind(
        "neighbour", "a busy neighbour on the core from mid-run on", 12, ROUND_TRIPS, neighbour=True
    ),
)
