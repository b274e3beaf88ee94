"""The answer stands first in every output, in the same words."""

import json
import re

import pytest
from markdown_it import MarkdownIt
from support.synthetic import Reported, reported

from netbench.report import decision, html, json_document, markdown
from netbench.report.answer import headline

RUNS = {
    "two drivers": reported(drivers=("host", "bridge")),
    "five drivers": reported(),
    "few blocks": reported(blocks=3),
    "one driver": reported(drivers=("host",)),
    "isolated": reported(blocks=1, drivers=("none",), baseline="none"),
}


def headings(text: str) -> list[str]:
    """Return the headings of a Markdown text, as a reader sees them."""
    tokens = MarkdownIt("commonmark").parse(text.split("---\n\n", 1)[-1])
    opened = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    inline = [tokens[at + 1].children or [] for at in opened]
    return ["".join(part.content for part in parts) for parts in inline]


def html_headings(text: str) -> list[str]:
    found = re.findall(r"<h[1-6][^>]*>(.*?)</h[1-6]>", text, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", heading) for heading in found]


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_first_heading_after_the_title_is_the_answer_everywhere(run: Reported) -> None:
    answer = headline(run.info, run.analysis, run.digest)
    of_run = (run.info, run.analysis, run.digest)

    assert len(answer) > 20
    assert html_headings(html(*of_run))[1] == answer
    assert headings(markdown(*of_run))[1] == answer
    assert headings(decision(*of_run)["decision.md"])[1] == answer
    document = json.loads(json.dumps(json_document(*of_run, "x", 0), default=str))
    assert document["lead"] == answer
    assert document["answer"][0]["driver"] == run.analysis.baseline
