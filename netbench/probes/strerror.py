"""What a tool that failed says, and which errno it means by the system's words."""

import errno
import os
import re
from typing import Final

from netbench.record import Completed

NOT_FOUND: Final = (126, 127)
"""Exit codes by which a shell or an engine says that it could not run a tool."""
_MUSL: Final = {  # musl's wording where it differs: tools in images that are not glibc's
    "Network unreachable": "ENETUNREACH",
    "Host is unreachable": "EHOSTUNREACH",
    "Operation timed out": "ETIMEDOUT",
    "Connection reset by network": "ENETRESET",
    "Address not available": "EADDRNOTAVAIL",
    "Address in use": "EADDRINUSE",
}
_WORDS: Final = {os.strerror(code): name for code, name in errno.errorcode.items()} | _MUSL
_NUMBER: Final = re.compile(r"errno=(\d{1,4})\b")


def strerror_name(text: str) -> str | None:
    """Return the errno that a tool names: its number, else its last words; None for none."""
    number = _NUMBER.search(text)
    if number:
        return errno.errorcode.get(int(number.group(1)))
    found = [(text.rfind(words), len(words), name) for words, name in _WORDS.items()]
    position, _, name = max(found)
    return name if position >= 0 else None


def complaint(tool: str, done: Completed, said: str) -> str:
    """Return `netperf (exit code 1): WORDS [ECONNREFUSED]` for what a tool said."""
    code = "unseen" if done.exit_code is None else str(done.exit_code)
    name = strerror_name(said)
    return f"{tool} (exit code {code}): {said[:300]}" + (f" [{name}]" if name else "")
