"""The page's words, each explained in a sentence or two."""

from typing import Final

TERMS: Final[dict[str, str]] = {
    "A/A": ("the baseline's second arm over its first: nothing differs, so what it shows is noise"),
    "Baseline": "the driver that all others are compared with",
    "Arm": "a driver in a comparison; the baseline has two, each with endpoints of its own",
    "Block": "every arm of every cell, on fresh endpoints; the unit that is repeated and compared",
    "Contrast": "a driver against the baseline for one metric in one cell, with an interval",
    "Driver": (
        "how a container is attached to a network, with its mode where it has several, and "
        "behind an @ the options of a variant"
    ),
    "East-west": "the path from container to container",
    "North-south": "the path from a client on the LAN to the service as that driver exposes it",
    "Hairpin": "the path to a published port from a container beside it",
    "Interval": (
        "where the true ratio lies; it holds at every planned look, and the error rate of 5 % is "
        "shared by all comparisons that the run is judged by"
    ),
    "Margin": "the size of effect below which two drivers count as equivalent",
    "Noise floor": "half the width of the A/A interval",
    "Placement": (
        "the CPUs that client and server are pinned to: cross is two cores, same is one core"
    ),
    "Published port": (
        "a port of the host's that leads to the container, by address translation (nat) in "
        "the kernel or by a process of the engine's (proxy)"
    ),
    "Ratio": (
        "driver over baseline of the metric as it is: below 1 is less throughput, or less latency"
    ),
    "Round": "one slice of every arm, in random order",
    "RTT": "round-trip time: request sent to answer received, never halved",
    "Sentinel": (
        "a short measurement without network, on the same CPUs, at the edges of a probe's rounds"
    ),
    "Session": "one arm's probe in one block: its processes, held while other arms measure",
    "Slice": "the time that one session runs in a round while all others are held",
    "Softirq": "the kernel's own work on packets, outside of any process",
    "Trial": "one run of a tool as a whole, over one pair: how paced probes are measured",
    "Unattributed": "CPU time of the machine that neither container's cgroup accounts for",
    "Undecided": "the data do not decide; it does not mean equal, and more blocks may decide",
}
"""Term and meaning, in alphabetical order but for the paths, which stand together."""
