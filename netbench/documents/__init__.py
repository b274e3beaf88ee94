"""What `--json` prints, as types: mypy holds the code to them, JSON Schemas are made from them.

Fields may be added, never renamed. `netbench/schemas/` holds the JSON Schemas; `python -m
netbench.documents` writes them anew, for which it needs pydantic (dependency group `test`).
"""
