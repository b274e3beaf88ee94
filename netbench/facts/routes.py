"""What both readers hold to be the routes of a namespace, and in which order."""

from collections.abc import Iterable
from typing import Final

from netbench.record import Route

DEFAULT: Final = "default"
"""IPv4's default route."""
DEFAULT6: Final = "::/0"
_OF_EVERY_LINK: Final = ("fe80::/64", "ff00::/8")
"""What IPv6 routes by each of its links by itself: link-local and multicast addresses."""


def leads_on(route: Route) -> bool:
    """Tell whether an IPv6 route says something of the network, not of IPv6 alone."""
    if route.link == "lo":
        return False
    return route.gateway is not None or route.destination not in _OF_EVERY_LINK


def in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return routes by destination, as text; those to the same one in the kernel's order.

    That order is by metric, and both netlink and /proc keep to it.
    """
    return tuple(sorted(routes, key=lambda route: route.destination))
