"""JSON documents as text."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.json import encode
from msgspec.json import format as indented

_DELETE: Final = "\x7f"
_UNUSUAL: Final = re.compile(r"[^\n -~]")
"""What may be a control character, or turn the direction of text: everything but plain ASCII."""


def json_text(document: Mapping[str, Any]) -> str:
    """Return a JSON document as text; refuses numbers that are not finite."""
    text = indented(_compact(document), indent=2).decode("utf-8", "surrogatepass")
    if text.isascii() and _DELETE not in text:
        return text + "\n"
    return _UNUSUAL.sub(_escaped, text) + "\n"


def _compact(document: Mapping[str, Any]) -> bytes:
    if not _finite(document):
        raise ValueError("a number is not JSON compliant: it is not finite")
    try:
        return encode(document, enc_hook=list)
    except UnicodeEncodeError:  # half a character, as tools may print it
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, default=list)
        return text.encode("utf-8", "surrogatepass")


def _finite(value: object) -> bool:
    """Tell whether all numbers are; rows that are made when they are written see to theirs."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_finite, value))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]
