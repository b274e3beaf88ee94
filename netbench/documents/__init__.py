"""What `--json` prints, as types: JSON Schemas are made from them."""

import math
from typing import Any

from msgspec import to_builtins


def plain(document: object) -> dict[str, Any]:
    """Return a document as JSON has it; a number that is not finite is null."""
    found: dict[str, Any] = _finite(to_builtins(document, enc_hook=list))
    return found


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value
