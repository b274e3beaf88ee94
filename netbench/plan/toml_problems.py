"""Problems of a TOML file, each noted with the file and the line it stands in."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


class Located:
    """Gathers every problem of one file."""

    def __init__(self, path: Path, text: str) -> None:
        """Take the file and what it holds."""
        self._path = path
        self._lines = text.splitlines()
        self.problems: list[str] = []

    def note(self, table: str, key: str, problem: str, occurrence: int = 1) -> None:
        """Note a problem of a key, or of a table.

        Args:
            table: that the key stands in, `probes.tcp-rr`; empty for the file itself.
            key: in it; it may name a table too.
            problem: what is wrong.
            occurrence: which table of that name: `[[cell]]` may stand several times.
        """
        self.problems.append(f"{self._path}:{self._line(table, key, occurrence)}: {problem}")

    def unknown(
        self,
        found: Mapping[str, object],
        known: Iterable[str],
        table: str,
        prefix: str,
        occurrence: int = 1,
    ) -> None:
        """Note every key of a table that is not known."""
        offered = ", ".join(sorted(known))
        for key in found:
            if key not in known:
                problem = f"{prefix}unknown key {key!r}; known: {offered}"
                self.note(table, key, problem, occurrence)

    def _line(self, table: str, key: str, occurrence: int) -> int:
        """Return the line of a key in its table, of the table's header where it is not there."""
        start, end = self._table(table, occurrence) if table else (0, len(self._lines))
        header = f"{table}.{key}" if table else key
        own = [line for line in self._headers(header) if start <= line < end]
        if own:
            return (own[0] if table else own[min(occurrence, len(own)) - 1]) + 1
        stop = next((line for line in self._headers() if line > start), len(self._lines))
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
        hits = (line for line in range(start, stop) if pattern.match(self._lines[line]))
        return next(hits, start) + 1

    def _table(self, table: str, occurrence: int) -> tuple[int, int]:
        """Return where a table's header stands, and where the next one of that name does."""
        headers = self._headers(table)
        if not headers:
            return 0, len(self._lines)
        number = min(occurrence, len(headers))
        return headers[number - 1], [*headers, len(self._lines)][number]

    def _headers(self, table: str | None = None) -> list[int]:
        """Return the positions of a table's headers, of all tables' where none is named."""
        name = r"[^\]]+" if table is None else re.escape(table)
        pattern = re.compile(rf"\s*\[+\s*{name}\s*\]+")
        return [i for i, line in enumerate(self._lines) if pattern.match(line)]
