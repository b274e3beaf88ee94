"""What services that track benchmarks say of their formats, as JSON Schemas.

Written from what docs/exports.md quotes, stricter where a service reads what it does not promise:
numbers are numbers, and nothing is there that it does not name.
"""

from typing import Any, Final

NUMBER: Final = {"type": "number"}
TEXT: Final = {"type": "string", "minLength": 1}
BENCHER: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024, "not": {"pattern": "-bencher-ignore$"}},
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "properties": {"value": NUMBER, "lower_value": NUMBER, "upper_value": NUMBER},
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}
"""Bencher Metric Format."""
CUSTOM: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "unit": TEXT,
            "value": {**NUMBER, "exclusiveMinimum": 0},  # the Action divides by it
            "range": TEXT,
            "extra": TEXT,
        },
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
    },
}
"""Custom benchmarks of github-action-benchmark."""
