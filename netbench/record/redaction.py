"""What identifies a site, and what stands in its place in a run folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

NO_HOST: Final = "redacted-host"
NO_USER: Final = "redacted-user"
NOTE: Final = (
    "Names and addresses that identify a site are replaced (--identify keeps them): hosts by "
    f"{NO_HOST}, users by {NO_USER}, addresses by those reserved for documentation."
)
_COMMON: Final = frozenset(
    {
        *("absent", "admin", "bridge", "ceiling", "client", "cni", "container", "cross"),
        *("debian", "docker", "engine", "failure", "hairpin", "host", "ipvlan", "kernel"),
        *("lan", "link", "linux", "localhost", "macvlan", "net", "netbench", "netns", "none"),
        *("overlay", "plugin", "podman", "raw", "record", "root", "run", "same", "sample"),
        *("sandbox", "server", "skip", "tcp", "trial", "ubuntu", "udp", "user"),
    }
)
"""Words of the reports themselves, and names that thousands have: they do not identify a site."""


def telling(name: str) -> bool:
    """Tell whether the name of a host or user identifies one."""
    return len(name) > 1 and not name.isdecimal() and name.lower() not in _COMMON


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces texts that identify a site; the same text always by the same stand-in."""

    names: Mapping[str, str] = field(default_factory=dict)  # stand-ins by name of a host or user
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Stand-ins by IP or MAC address in lower case, or by a link's name made of one."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to replace."""
        return bool(self.names or self.addresses)

    def text(self, text: str) -> str:
        """Return a text without what identifies a site."""
        if not self:
            return text
        pattern = _pattern(tuple(self.names), tuple(self.addresses))
        return pattern.sub(lambda found: self._stand_in(found[0]), text)

    def value(self, value: object) -> object:
        """Return a value as JSON has it with every text in it redacted, keys apart.

        A text that is nothing but the name of a host or user stays: it is a word of the schema's
        that somebody is called by. So does a unit, of which a word is a part.
        """
        if isinstance(value, str):
            return value if value in self.names else self.text(value)
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {key: one if key == "unit" else self.value(one) for key, one in value.items()}
        return value

    def _stand_in(self, found: str) -> str:
        return self.addresses.get(found.lower()) or self.names[found]


@cache
def _pattern(names: tuple[str, ...], addresses: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds all of them, each as a whole: `10.1.2.3` is not in `10.1.2.34`."""
    # The longer of two that begin alike comes first, or it would never be found.
    dotted = tuple(address for address in addresses if "." in address)
    others = tuple(address for address in addresses if "." not in address)
    sides = (
        (r"(?<![\w.-])(?:{})(?![\w-])", names),
        (r"(?<![\w.])(?:{})(?!\w|\.\d)", dotted),
        (r"(?<![\w:])(?i:{})(?![\w:])", others),
    )
    found = (
        side.format("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
        for side, words in sides
        if words
    )
    return re.compile("|".join(found))
