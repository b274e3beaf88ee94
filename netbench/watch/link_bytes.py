"""Byte counters of a path's links, cheap enough to be read at both edges of every slice.

A link that several arms share, as `lo` of the host, counts for all of them. While all sessions but
one are held, what it counts is that one's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.errors import FactError
from netbench.facts.base import NamespaceSet, Pair
from netbench.facts.procfs import net_dev
from netbench.record import LinkCounters
from netbench.spec import Role
from netbench.system.files import FrozenFiles

_DEV: Final = "dev"


Bytes = Mapping[tuple[Role, str], LinkCounters]
"""Counters by namespace and link."""


@dataclass(frozen=True, slots=True)
class LinkBytes:
    """Reads the counters of some links of a pair, by /proc/PID/net/dev of their namespaces."""

    subjects: Mapping[Role, NamespaceSet]
    wanted: Sequence[tuple[Role, str]]
    """Namespace and name of each link, in the order of the path."""

    @classmethod
    def of(cls, pair: Pair, links: Iterable[tuple[Role, str]]) -> "LinkBytes":
        """Take the links of a path; a namespace that no process of ours is in is left out.

        That is an overlay network's own, which belongs to one pair alone.
        """
        known = {one.role: one for one in pair.subjects if one.netns is None}
        wanted = tuple(link for link in links if link[0] in known)
        return cls({role: known[role] for role, _ in wanted}, wanted)

    def read(self) -> Bytes:
        """Return where the counters stand now.

        Raises:
            FactError: they cannot be read, or a link is gone.
        """
        found: dict[tuple[Role, str], LinkCounters] = {}
        if not self.wanted:
            return found
        files = next(iter(self.subjects.values())).files
        taken = FrozenFiles(files, *(subject.near(_DEV) for subject in self.subjects.values()))
        tables = {
            role: net_dev(subject.net_files(_DEV, taken=taken)[_DEV])
            for role, subject in self.subjects.items()
        }
        for role, name in self.wanted:
            if name not in tables[role]:
                raise FactError(f"the {role} has no link {name} any more")
            found[role, name] = tables[role][name]
        return found
