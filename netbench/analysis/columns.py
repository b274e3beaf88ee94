"""Rows kept as columns: a hundred thousand of them fit, and are judged all at once."""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp] | Flags | slice
_CHUNK: Final = 4096
"""Rows that are made at a time where all of them are gone through."""
_NO_CODE: Final = -2
_SHORT: Final = 1 << 16


class Words:
    """A column of texts that are often the same; None where there is none."""

    __slots__ = ("codes", "names")

    def __init__(self, codes: NDArray[np.int32], names: tuple[str, ...]) -> None:
        """Take each row's index in `names`, which ascend; -1 stands for None."""
        self.codes = codes
        self.names = names

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def __getitem__(self, at: Index) -> "Words":
        """Return these rows."""
        return Words(self.codes[at], self.names)

    def tolist(self) -> list[Any]:
        """Return each row's text."""
        names = (*self.names, None)
        return [names[code] for code in self.codes.tolist()]

    def equal(self, name: str) -> Flags:
        """Tell of each row whether it has this text."""
        found: Flags = self.codes == self._code(name)
        return found

    def among(self, names: Collection[str]) -> Flags:
        """Tell of each row whether it has one of these texts."""
        return np.isin(self.codes, [self._code(name) for name in names])

    @property
    def known(self) -> Flags:
        """Tell of each row whether it has a text."""
        return self.codes >= 0

    @property
    def seen(self) -> list[str]:
        """The texts that occur, ascending."""
        times = np.bincount(self.codes + 1, minlength=len(self.names) + 1)[1:].tolist()
        return [name for name, count in zip(self.names, times, strict=True) if count]

    def _code(self, name: str) -> int:
        return self.names.index(name) if name in self.names else _NO_CODE


class _Codes(dict[str | None, int]):
    """The number of each text, in the order in which they first came."""

    def __missing__(self, text: str | None) -> int:
        self[text] = code = len(self)
        return code


class Texts:
    """Grows into a column of words."""

    __slots__ = ("codes", "known")

    def __init__(self) -> None:
        """Begin with no row."""
        self.codes = array("i")
        self.known = _Codes()

    def append(self, text: str | None) -> None:
        """Add a row."""
        self.codes.append(self.known[text])

    def extend(self, texts: Iterable[str | None]) -> None:
        """Add a row for each text."""
        self.codes.extend(map(self.known.__getitem__, texts))

    def column(self) -> Words:
        """Return what there is by now."""
        names = tuple(sorted(name for name in self.known if name is not None))
        places = {name: place for place, name in enumerate(names)}
        codes = [-1 if name is None else places[name] for name in self.known]
        return Words(np.array(codes, np.int32)[np.array(self.codes, np.intp)], names)


def words(texts: Iterable[str | None]) -> Words:
    """Return a column of these texts."""
    growing = Texts()
    growing.extend(texts)
    return growing.column()


Column = Words | Floats | Wholes | Flags


class Rows(Sequence[T_co]):
    """Values kept as columns; each value is made when it is looked at."""

    __slots__ = ("_columns", "_length", "_make")

    def __init__(self, make: Callable[..., T_co], columns: Mapping[str, Column]) -> None:
        """Take what makes a value of one row, and the columns, in the order of its parameters."""
        self._make = make
        self._columns = dict(columns)
        self._length = len(next(iter(self._columns.values())))

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    @overload
    def __getitem__(self, at: int) -> T_co: ...
    @overload
    def __getitem__(self, at: slice) -> "Rows[T_co]": ...
    def __getitem__(self, at: int | slice) -> "T_co | Rows[T_co]":
        """Return one row's value, or some of the rows."""
        if isinstance(at, slice):
            return self.at(at)
        place = range(self._length)[at]
        return next(iter(self.at(slice(place, place + 1))))

    def __iter__(self) -> Iterator[T_co]:
        """Make every row's value, one after the other."""
        for start in range(0, self._length, _CHUNK):
            rows = slice(start, start + _CHUNK)
            lists = (column[rows].tolist() for column in self._columns.values())
            yield from map(self._make, *lists)

    def __eq__(self, other: object) -> bool:
        """Tell whether another sequence holds equal values."""
        if not isinstance(other, Rows | tuple):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Return a number that equal sequences share."""
        return hash(tuple(self))

    def at(self, rows: Index) -> "Rows[T_co]":
        """Return some of the rows."""
        return Rows(self._make, {name: column[rows] for name, column in self._columns.items()})

    def made(self, make: Callable[..., U]) -> "Rows[U]":
        """Return the same rows as values of another kind."""
        return Rows(make, self._columns)

    def words(self, name: str) -> Words:
        """Return a column of texts."""
        column = self._columns[name]
        assert isinstance(column, Words), name  # noqa: S101 -- whoever asks knows the column
        return column

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers."""
        column = self._columns[name]
        assert not isinstance(column, Words), name  # noqa: S101 -- whoever asks knows the column
        return column


Group = tuple[tuple[Any, ...], NDArray[np.intp]]


def groups(*columns: Words | Wholes) -> list[Group]:
    """Return each combination of values that occurs with its rows.

    Combinations ascend, rows stay in their order; rows without a text are left out.
    """
    whole, kept, most = np.zeros(len(columns[0]), np.int64), np.ones(len(columns[0]), np.bool_), 1
    for column in columns:
        codes = column.codes if isinstance(column, Words) else column
        least = -1 if isinstance(column, Words) else 0
        if int(np.max(codes, initial=0)) >= _SHORT or int(np.min(codes, initial=0)) < least:
            codes = np.unique(codes, return_inverse=True)[1]
        kept &= codes >= 0
        count = int(np.max(codes, initial=0)) + 1
        whole, most = whole * count + codes, most * count
    order = np.flatnonzero(kept)
    # numbers of 16 bits are sorted many times as fast
    keys = whole[order].astype(np.uint16) if most <= _SHORT else whole[order]
    order = order[np.argsort(keys, kind="stable")]
    if not len(order):
        return []
    parts = np.split(order, np.flatnonzero(np.diff(whole[order])) + 1)
    firsts = np.array([rows[0] for rows in parts], np.intp)
    names = zip(*(column[firsts].tolist() for column in columns), strict=True)
    return list(zip(names, parts, strict=True))
