"""What other distributions add to a table of netbench's, found by their entry points when needed.

What is netbench's own never waits for it, and one that cannot be used is a problem, never a
traceback: whoever makes something of the table tells all problems, whoever only reads goes without.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from netbench.errors import ConfigurationError, Interrupted, cut
from netbench.version import version

T = TypeVar("T")
OWN: Final = "netbench"
REMOVE: Final = "correct or remove it: pip uninstall"


@dataclass(frozen=True, slots=True)
class Origin:
    """Which distribution something comes from."""

    distribution: str
    version: str

    def __str__(self) -> str:
        """Return `netbench-weave 1.2`."""
        return f"{self.distribution} {self.version}"


class Registry(Mapping[str, T], Generic[T]):
    """A table by name: netbench's own entries first, then those of an entry point group."""

    def __init__(
        self, group: str, own: Mapping[str, T], check: Callable[[str, Any], Iterable[str]]
    ) -> None:
        """`check` yields what is wrong with something that is to stand under a name."""
        self._group, self._own, self._check = group, own, check
        self._others: dict[str, T] = {}
        self._origins: dict[str, Origin] = {}
        self._problems: list[str] = []
        self._searched = False

    def __getitem__(self, name: str) -> T:
        """Return what stands under a name; raise KeyError."""
        return self._own[name] if name in self._own else self._all()[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        yield from self._own
        yield from self._all()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._own) + len(self._all())

    @property
    def problems(self) -> tuple[str, ...]:
        """What was found and cannot be used, one sentence each."""
        self._all()
        return tuple(self._problems)

    def origin(self, name: str) -> Origin:
        """Return where what stands under a name comes from: netbench, if not from another."""
        self._all()
        return self._origins.get(name) or Origin(OWN, version())

    def added(self, names: Iterable[str]) -> tuple[Origin, ...]:
        """Return the other distributions that some names need, each once."""
        others = (name for name in names if name not in self._own)
        found = {self._origins[name] for name in others if name in self._all()}
        return tuple(sorted(found, key=str))

    def _all(self) -> Mapping[str, T]:
        if not self._searched:
            self._searched = True
            self._search()
        return self._others

    def _search(self) -> None:
        from importlib import metadata  # noqa: PLC0415 -- slow to import

        found = [
            (entry, Origin(entry.dist.name, entry.dist.version))
            for entry in metadata.entry_points(group=self._group)
            if entry.dist is not None
        ]
        counts = Counter(entry.name for entry, _ in found)
        for entry, origin in sorted(found, key=lambda one: (one[0].name, str(one[1]))):
            problems = list(self._clash(entry.name, counts))
            value = None
            if not problems:
                value, problems = self._loaded(entry)
            where = f"{self._group} entry point {cut(entry.name)!r} of {cut(str(origin))}"
            remove = f"{REMOVE} {origin.distribution}"
            self._problems += [f"{where}: {problem}; {remove}" for problem in problems]
            if value is not None and not problems:
                self._others[entry.name], self._origins[entry.name] = value, origin

    def _clash(self, name: str, counts: Mapping[str, int]) -> Iterator[str]:
        if name in self._own:
            yield "netbench itself has one of that name"
        elif counts[name] > 1:
            yield f"{counts[name]} installed entry points have that name"

    def _loaded(self, entry: Any) -> tuple[Any, list[str]]:
        try:
            value = entry.load()
            return value, list(self._check(entry.name, value))
        except Interrupted:
            raise
        except ConfigurationError as exc:
            return None, list(exc.problems)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 -- code that is not ours
            return None, [f"it cannot be loaded: {type(exc).__name__}: {cut(str(exc))}"]
