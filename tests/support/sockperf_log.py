"""Logs of sockperf, written as it writes them."""

from collections.abc import Sequence

Edges = tuple[float, float]
"""From being let go on to being held, by our clock."""


def log_of(
    edges: Sequence[Edges], *, ahead: float = 1000.0, rtt: float = 0.001, lead: float = 0.0
) -> str:
    """Return the log of a client that was let go on between these moments.

    A message that is under way when the client is held is answered once it goes on.

    Args:
        edges: in order.
        ahead: seconds by which its clock is ahead of ours.
        rtt: seconds of a round trip.
        lead: seconds after the first moment that the log leaves out.
    """
    lines = ["packet, txTime(sec), rxTime(sec), rtt(usec)"]
    sent, number = edges[0][0] if edges else 0.0, 0
    for at, (start, end) in enumerate(edges):
        sent = max(sent, start)
        following = edges[at + 1][0] if at + 1 < len(edges) else None
        while sent < end:
            came = sent + rtt
            if came > end and following is not None:
                came = following + 2e-6
            if sent >= edges[0][0] + lead:
                times = f"{sent + ahead:.9f}, {came + ahead:.9f}, {(came - sent) * 1e6:.3f}"
                lines.append(f"{number}, {times}")
                number += 1
            sent = came + 1e-6
    return "\n".join(lines)
