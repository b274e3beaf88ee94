"""Documents held against the published JSON Schemas."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from netbench.documents.schemas import DOCUMENTS, FOLDER

__all__ = ["DOCUMENTS", "validated"]


@cache
def _validator(name: str) -> Draft202012Validator:
    text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def validated(name: str, document: Any) -> Any:
    """Return a document of which its schema finds nothing wrong."""
    problems = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in _validator(name).iter_errors(document)
    ]
    assert problems == []
    return document
