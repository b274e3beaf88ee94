"""One comment on a pull or merge request about a run, which changes only when a verdict does.

`python ci/comment.py RUN_FOLDER` is called by `action.yml` on GitHub and `ci/gitlab.yml` on GitLab.
All else is read from the variables that these set. A comment that cannot be written is no failure:
the job's outcome is that of its budgets.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

TIMEOUT: Final = 30.0  # seconds, for each request
PAGE: Final = 100  # comments
DONE: Final = (200, 201)
REFUSED: Final = (401, 403, 404)
USAGE: Final = 2
"""Exit code of a request that is wrong."""
Outcome = Literal["created", "updated", "unchanged"]


class NoComment(Exception):
    """There is no comment, for a reason that people should be told."""


class Cell(msgspec.Struct, frozen=True):
    """Where a budget stands."""

    driver: str
    path: str
    probe: str
    placement: str


class Budget(msgspec.Struct, frozen=True):
    """One budget in one cell: of `summary.json` what makes a verdict."""

    expression: str
    cell: Cell
    metric: str
    status: str


class Contrast(msgspec.Struct, frozen=True):
    """One driver against the baseline: of `summary.json` what makes a verdict."""

    driver: str
    baseline: str
    path: str
    probe: str
    placement: str
    metric: str
    primary: bool
    verdict: str


class Summary(msgspec.Struct, frozen=True):
    """Of `summary.json` what makes verdicts."""

    contrasts: tuple[Contrast, ...]
    budgets: tuple[Budget, ...]


def digest(*parts: object) -> str:
    """Return a short text that differs where any of `parts` does."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def verdicts(summary: Summary) -> str:
    """Return a digest of what `summary.md` concludes, in which no figure has a part."""
    contrasts = sorted(repr(one) for one in summary.contrasts if one.primary)
    return digest(contrasts, sorted(map(repr, summary.budgets)))


@dataclass(frozen=True, slots=True)
class Marker:
    """The first line of the comment, which readers do not see."""

    name: str
    """Tells apart the comments of several jobs."""
    verdicts: str

    @property
    def start(self) -> str:
        """What every comment of this name begins with."""
        return f"<!-- netbench:{digest(self.name)}:"

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.start}{self.verdicts} -->"


class User(msgspec.Struct, frozen=True):
    """Who wrote a comment, or whom a token is of."""

    login: str = ""
    username: str = ""
    type: str = ""


class Comment(msgspec.Struct, frozen=True):
    """A comment on GitHub, which has a `user`, or a note on GitLab, which has an `author`."""

    id: int
    body: str
    user: User | None = None
    author: User | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """An API over HTTP, as one user."""

    address: str
    session: requests.Session

    @classmethod
    def opened(cls, address: str, headers: Mapping[str, str]) -> "Api":
        """Return an API that is asked again, but for what would then be there twice."""
        session = requests.Session()
        session.headers.update(headers)
        again = Retry(
            3,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods={"GET", "PUT", "PATCH"},
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=again))
        return cls(address.rstrip("/"), session)

    def ask(self, method: str, path: str, body: str | None = None) -> requests.Response:
        """Return the answer; `NoComment` where the token does not suffice."""
        answer = self.session.request(
            method,
            f"{self.address}{path}",
            json=None if body is None else {"body": body},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        if answer.status_code in REFUSED:
            raise NoComment(
                "the token may not read and write comments here, as in a pull request from a fork"
                f" (HTTP {answer.status_code})"
            )
        if answer.status_code not in DONE:
            raise requests.HTTPError(f"{method} {path}: HTTP {answer.status_code}")
        return answer

    def user(self) -> User:
        """Return whom the token is of."""
        return msgspec.json.decode(self.ask("GET", "/user").content, type=User)


@dataclass(frozen=True, slots=True)
class Thread:
    """The comments of one pull or merge request; raises as `Api.ask`."""

    api: Api
    comments: str
    """The path of their list."""
    one: str
    """The path of the list in which a comment is found by its number."""
    edit: Literal["PATCH", "PUT"]
    mine: Callable[[Comment], bool]
    """Whether this token's user wrote a comment: others may write the marker, too."""
    longest: int
    """Characters of a comment at most."""

    def own(self) -> Iterator[Comment]:
        """Yield the comments of this token's user, oldest first."""
        page, more = 1, True
        while more:
            answer = self.api.ask("GET", f"{self.comments}?sort=asc&per_page={PAGE}&page={page}")
            yield from filter(self.mine, msgspec.json.decode(answer.content, type=list[Comment]))
            page, more = page + 1, "next" in answer.links

    def create(self, body: str) -> None:
        """Write a new comment."""
        self.api.ask("POST", self.comments, body)

    def update(self, number: int, body: str) -> None:
        """Write a comment anew."""
        self.api.ask(self.edit, f"{self.one}/{number}", body)


def github(api: Api, repository: str, pull: int) -> Thread:
    """Return the thread of a pull request."""
    issues = f"/repos/{repository}/issues"
    try:
        me = api.user().login
    except NoComment:  # a workflow's own token may not ask
        me = ""

    def mine(comment: Comment) -> bool:
        user = comment.user or User()
        return user.login == me if me else user.type == "Bot"

    return Thread(api, f"{issues}/{pull}/comments", f"{issues}/comments", "PATCH", mine, 65_536)


def gitlab(api: Api, project: str, merge: str) -> Thread:
    """Return the thread of a merge request."""
    me = api.user().username
    notes = f"/projects/{project}/merge_requests/{merge}/notes"

    def mine(comment: Comment) -> bool:
        return comment.author is not None and comment.author.username == me

    return Thread(api, notes, notes, "PUT", mine, 1_000_000)


class Pull(msgspec.Struct, frozen=True):
    """The pull request of an event."""

    number: int


class Event(msgspec.Struct, frozen=True):
    """What GitHub started a workflow for."""

    pull_request: Pull | None = None


def thread(env: Mapping[str, str]) -> Thread:
    """Return where a job's comment belongs; `NoComment` where there is no such place."""
    token = env.get("COMMENT_TOKEN", "")
    if not token:
        raise NoComment("no token was given")
    if "CI_API_V4_URL" in env:
        if not env.get("CI_MERGE_REQUEST_IID"):
            raise NoComment("this job is not of a merge request")
        api = Api.opened(env["CI_API_V4_URL"], {"PRIVATE-TOKEN": token})
        return gitlab(api, env["CI_MERGE_REQUEST_PROJECT_ID"], env["CI_MERGE_REQUEST_IID"])
    event = msgspec.json.decode(Path(env["GITHUB_EVENT_PATH"]).read_bytes(), type=Event)
    if event.pull_request is None:
        raise NoComment("this workflow was not started by a pull request")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    api = Api.opened(env["GITHUB_API_URL"], headers)
    return github(api, env["GITHUB_REPOSITORY"], event.pull_request.number)


def composed(marker: Marker, summary: str, link: str, longest: int) -> str:
    """Return the comment, whose summary is cut at a line where all would be too long."""
    end = f"\n<sub>{link}. This comment changes only when a verdict does.</sub>\n"
    left = longest - len(f"{marker}\n") - len(end)
    if len(summary) > left:
        summary = summary[: summary.rfind("\n", 0, left) + 1]
    return f"{marker}\n{summary}{end}"


def publish(place: Thread, marker: Marker, body: str) -> Outcome:
    """Write the comment where there is none, or where its verdicts are others."""
    for comment in place.own():
        if comment.body.startswith(str(marker)):
            return "unchanged"
        if comment.body.startswith(marker.start):
            place.update(comment.id, body)
            return "updated"
    place.create(body)
    return "created"


def tell(env: Mapping[str, str], kind: Literal["notice", "warning"], text: str) -> None:
    """Print one line, which GitHub shows as an annotation."""
    line = " ".join(text.split())
    if "GITHUB_OUTPUT" in env:
        line = f"::{kind} title=netbench::{line.replace('%', '%25')}"
    print(line)


def commented(folder: Path, env: Mapping[str, str]) -> Outcome | None:
    """Write the comment of a run folder; None, having said why, where that cannot be."""
    summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    text = (folder / "summary.md").read_text(encoding="utf-8")
    marker = Marker(env.get("COMMENT_NAME") or "netbench", verdicts(summary))
    url = env.get("REPORT_URL")
    link = f"[The whole report]({url})" if url else "The whole report is among the artifacts"
    try:
        place = thread(env)
        return publish(place, marker, composed(marker, text, link, place.longest))
    except NoComment as exc:
        tell(env, "notice", f"no comment: {exc}; the report is among the artifacts")
    except (requests.RequestException, msgspec.DecodeError) as exc:
        tell(env, "warning", f"no comment: {exc}; the report is among the artifacts")
    return None


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Write the comment, and what became of it where later steps read it."""
    if len(argv) != 1 or not Path(argv[0], "summary.json").is_file():
        print("usage: comment.py RUN_FOLDER, which has a summary.json", file=sys.stderr)
        return USAGE
    outcome = commented(Path(argv[0]), env)
    if outcome:
        print(f"comment: {outcome}")
    if "GITHUB_OUTPUT" in env:
        with Path(env["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(f"comment={outcome or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
