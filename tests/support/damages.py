"""What can happen to a file of a run folder: each damage takes the file, and how it happens.

A damage may find nothing to do, where the file is no regular file any more, or empty.
"""

import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

Damage = Callable[[Path, int], None]
HUGE: Final = 1 << 25
"""Bytes; more than a line of the records may have."""
EDITS: Final = (
    (rb'"value":[-+.eE0-9]+', b'"value":0.0'),
    (rb'"value":[-+.eE0-9]+', b'"value":-1.0'),
    (rb'"value":[-+.eE0-9]+', b'"value":1e300'),
    (rb'"value":[-+.eE0-9]+', b'"value":1e999'),
    (rb'"value":[-+.eE0-9]+', b'"value":NaN'),
    (rb'"value":[-+.eE0-9]+', b'"value":null'),
    (rb'"unit":"[^"]*"', b'"unit":"s/bit"'),
    (rb'"metric":"[^"]*"', b'"metric":"speed"'),
    (rb'"driver":"[^"]*"', b'"driver":"brigde"'),
    (rb'"probe":"[^"]*"', b'"probe":"tcp"'),
    (rb'"number":[0-9]+', b'"number":3'),
    (rb'"number":[0-9]+', b'"number":-3'),
    (rb'"block":[0-9]+', b'"block":0'),
    (rb'"block":[0-9]+', b'"block":70000'),
    (rb'"replica":[0-9]+', b'"replica":5'),
    (rb'"started":"[^"]*"', b'"started":"yesterday"'),
    (rb'"kind":"[^"]*"', b'"kind":"%s"' % (b"x" * 100_000)),
    (rb'"reason":"[^"]*"', b'"reason":"%s"' % (b"y" * 100_000)),
    (rb'"value":[-+.eE0-9]+', b'"value":%s' % (b"9" * 100_000)),
    (rb'"blocks": [0-9]+', b'"blocks": 0'),
    (rb'"blocks": [0-9]+', b'"blocks": 5'),
    (rb'"baseline": "[^"]*"', b'"baseline": "none"'),
    (rb'"margin": [.0-9]+', b'"margin": -1.0'),
    (rb'"schema": [0-9]+', b'"schema": 99'),
    (rb'"schema": [0-9]+', b'"schema": 1'),
    (rb'"status": "[^"]*"', b'"status": "running"'),
    (rb'"seed": [0-9]+', b'"seed": %s' % (b"7" * 100_000)),
)
"""Patterns, and what stands in place of one match."""


def regular(path: Path) -> bytes:
    """Return the content of a regular file; empty of any other."""
    try:
        if stat.S_ISREG(path.stat().st_mode) and path.stat().st_size <= 4 * HUGE:
            return path.read_bytes()
    except OSError:
        pass
    return b""


def _away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def truncate(path: Path, how: int) -> None:
    """Cut a file anywhere, as a kill while writing does."""
    if content := regular(path):
        path.write_bytes(content[: how % len(content)])


def flip(path: Path, how: int) -> None:
    """Flip one bit."""
    if content := bytearray(regular(path)):
        content[how // 8 % len(content)] ^= 1 << how % 8
        path.write_bytes(content)


def edit(path: Path, how: int) -> None:
    """Put something that cannot be in place of one field."""
    pattern, new = EDITS[how % len(EDITS)]
    content = regular(path)
    found = list(re.finditer(pattern, content))
    if found:
        chosen = found[how // len(EDITS) % len(found)]
        path.write_bytes(content[: chosen.start()] + new + content[chosen.end() :])


def duplicate_line(path: Path, how: int) -> None:
    """Repeat a line somewhere."""
    if lines := regular(path).splitlines(keepends=True):
        lines.insert(how // len(lines) % len(lines), lines[how % len(lines)])
        path.write_bytes(b"".join(lines))


def swap_lines(path: Path, how: int) -> None:
    """Exchange two lines."""
    if lines := regular(path).splitlines(keepends=True):
        a, b = how % len(lines), how // len(lines) % len(lines)
        lines[a], lines[b] = lines[b], lines[a]
        path.write_bytes(b"".join(lines))


def drop_lines(path: Path, how: int) -> None:
    """Remove some lines."""
    if lines := regular(path).splitlines(keepends=True):
        path.write_bytes(b"".join(x for n, x in enumerate(lines) if not how >> n % 32 & 1))


def drop_driver(path: Path, how: int) -> None:
    """Remove every line of one driver."""
    name = (b'"driver":"bridge"', b'"driver":"host"')[how % 2]
    if lines := regular(path).splitlines(keepends=True):
        path.write_bytes(b"".join(line for line in lines if name not in line))


def junk(path: Path, how: int) -> None:
    """Put something else in place of the content."""
    contents = (b"", b"\n", b"{}\n", b"[]", b"\xff\xfe\x00" * 99, b"[" * 50_000, b'{"schema":2}')
    if regular(path):
        path.write_bytes(contents[how % len(contents)])


def huge_line(path: Path, how: int) -> None:
    """Append a line that is longer than any record, or a little less so."""
    if regular(path):
        with path.open("ab") as file:
            if how % 4 == 0:
                file.truncate(file.tell() + HUGE + 1)  # zeros that take no room on the disk
                file.seek(0, os.SEEK_END)
            else:
                file.write(b"x" * 100_000)
            file.write(b"\n")


def fifo(path: Path, how: int) -> None:
    """Put a FIFO there, which nobody writes to."""
    del how
    _away(path)
    os.mkfifo(path)


def device(path: Path, how: int) -> None:
    """Put a device there, by a link or, as root, by its own node."""
    _away(path)
    name, minor = (("/dev/zero", 5), ("/dev/full", 7), ("/dev/null", 3))[how % 3]
    if os.geteuid() == 0 and how % 2:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    else:
        path.symlink_to(name)


def listening_socket(path: Path, how: int) -> None:
    """Put a socket there."""
    del how
    _away(path)
    with socket.socket(socket.AF_UNIX) as made:
        back = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(back)


def directory(path: Path, how: int) -> None:
    """Put a directory there."""
    del how
    _away(path)
    path.mkdir()


def symlink(path: Path, how: int) -> None:
    """Put a link there: to its own content elsewhere, to nothing, or to itself."""
    content = regular(path)
    _away(path)
    target = path.with_name(f"{path.name}.elsewhere")
    if how % 3 == 0:
        target.write_bytes(content)
    path.symlink_to(path if how % 3 == 1 else target)


def forbid(path: Path, how: int) -> None:
    """Take all permissions away; root reads it all the same."""
    del how
    if regular(path):
        path.chmod(0)


def remove(path: Path, how: int) -> None:
    """Remove it."""
    del how
    _away(path)


DAMAGES: Final[tuple[Damage, ...]] = (
    *(truncate, flip, edit, duplicate_line, swap_lines, drop_lines, drop_driver, junk, huge_line),
    *(fifo, device, listening_socket, directory, symlink, forbid, remove),
)


def told_values(path: Path) -> set[tuple[int, str, float]]:
    """Return number, metric and value of whatever in a file looks like a measurement, unchecked."""
    found = set()
    for line in regular(path).splitlines():
        try:
            record = json.loads(line)
            for one in record["outcome"]["measurements"]:
                found.add((int(record["number"]), str(one["metric"]), float(one["value"])))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            continue
    return found
