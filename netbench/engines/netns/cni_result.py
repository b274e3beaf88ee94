"""What CNI plug-ins say: results and errors, read from their JSON (CNI specification 1.0 §5)."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from netbench.record import Completed


@dataclass(frozen=True, slots=True)
class Result:
    """What the plug-ins of a chain have made for one container so far."""

    text: str
    """The plug-in's own JSON, handed to the next one as it is."""
    host_links: tuple[str, ...]
    """Links that they made outside the container, in their order."""
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    gateways: tuple[IPv4Interface | IPv6Interface, ...]
    """Gateways with the prefix of the address that they stand beside."""

    def address(self, version: int) -> IPv4Interface | IPv6Interface | None:
        """Return the first address of a version of IP."""
        return next((a for a in self.addresses if a.version == version), None)

    def gateway(self, version: int) -> str | None:
        """Return the first gateway of a version of IP, without its prefix."""
        found = (str(g.ip) for g in self.gateways if g.version == version)
        return next(found, None)


def read_result(text: str) -> Result:
    """Return the result that a plug-in printed.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(text)
        links = [link["name"] for link in found.get("interfaces", []) if not link.get("sandbox")]
        pairs = [(ip["address"], ip.get("gateway")) for ip in found.get("ips", [])]
        addresses = tuple(ip_interface(address) for address, _ in pairs)
        gateways = tuple(
            ip_interface(f"{gateway}/{address.partition('/')[2]}")
            for address, gateway in pairs
            if gateway
        )
    except (AttributeError, KeyError, TypeError, RecursionError) as exc:
        raise ValueError(f"no CNI result: {exc!r}") from exc
    return Result(text, tuple(map(str, links)), addresses, gateways)


def read_error(done: Completed) -> str:
    """Return why a plug-in failed, in its own words and with its code.

    Errors are JSON on standard output; a plug-in that crashed leaves what it may.
    """
    if done.timed_out:
        return f"did not end within {done.seconds:.0f} s"
    try:
        found = json.loads(done.stdout)
        words = [str(found[key]).strip() for key in ("msg", "details") if found.get(key)]
        if words:
            return f"code {found.get('code')}: {': '.join(words)}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    said = " ".join(f"{done.stdout} {done.stderr}".split())[:300] or "no message"
    return f"exit code {done.exit_code}: {said}"
