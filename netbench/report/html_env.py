"""What every HTML page is made in: templates, one policy that forbids the network, packed data."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.report import budgets, costs, labels, sentences, stopping
from netbench.report.document import Json
from netbench.report.palette import PALETTE, Colour

LETTERS: Final = np.frombuffer(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%:()*+-;,=.?@^_`{|}~",
    np.uint8,
)
"""Those of `base64.b85encode`, but for `&`, `<` and `>`, which mean something in HTML."""
_INDENT: Final = re.compile(r"\n\s+")
_FOLDER: Final = "templates"


def render(template: str, colours: Mapping[str, Colour], **values: Any) -> str:
    """Return a page from a template that extends `base.html.j2`; `colours` are by name."""
    script = _asset("page.js")
    classes = {name: f"d{PALETTE.index(colour)}" for name, colour in colours.items()}
    page = environment().get_template(template)
    return page.render(
        csp=_policy(script),
        script=Markup(script),  # noqa: S704 - the project's own file
        palette=PALETTE,
        classes=classes,
        **values,
    )


@cache
def environment() -> Environment:
    """Return the environment of all templates: everything is escaped unless it says otherwise."""
    made = Environment(
        loader=PackageLoader("netbench.report", _FOLDER),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "quantity": units.quantity,
        "plain": plain,
        "capital": labels.capital,
        "shortened": labels.shortened,
    }
    made.globals |= {
        "units": units,
        "labels": labels,
        "budget": budgets,
        "costs": costs,
        "stopping": stopping,
        "measure": sentences.measure,
        "placements": PLACEMENTS,
        "asset": lambda name: Markup(_asset(name)),  # noqa: S704 - the project's own file
    }
    return made


def packed(content: Json) -> str:
    """Return JSON, packed so that no text in it can be markup; the page's script unfolds it."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return _packed(text.encode())


@cache
def packed_plotly() -> str:
    """Return plotly.min.js, packed."""
    return _packed(files("plotly").joinpath("package_data", "plotly.min.js").read_bytes())


def _packed(content: bytes) -> str:
    """Return gzip in base85, six percent shorter than base64; `b85encode` takes half a second."""
    content = gzip.compress(content, compresslevel=6, mtime=0)
    padding = -len(content) % 4
    words = np.frombuffer(content + bytes(padding), ">u4").astype(np.uint32)
    digits = np.empty((len(words), 5), np.uint8)
    for place in reversed(range(5)):
        words, digits[:, place] = np.divmod(words, 85)
    return LETTERS[digits].tobytes()[: 5 * len(digits) - padding].decode("ascii")


def _asset(name: str) -> str:
    text = files("netbench.report").joinpath(_FOLDER, name).read_text(encoding="utf-8")
    return _INDENT.sub("\n", text)


def _policy(script: str) -> str:
    """Return a policy that runs this one script and what it unpacks, and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
