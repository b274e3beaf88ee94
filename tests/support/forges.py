"""The APIs of GitHub and GitLab on loopback, as far as one thread of comments goes."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token"  # noqa: S105 - of no forge but this
REPOSITORY, PULL, PROJECT, MERGE = "owner/repository", 7, "5", "3"
MOST = 100
"""Comments a page, whatever is asked for."""
_THREAD = {
    "github": rf"/repos/{REPOSITORY}/issues/{PULL}/comments",
    "gitlab": rf"/projects/{PROJECT}/merge_requests/{MERGE}/notes",
}
_ONE = {
    "github": rf"/repos/{REPOSITORY}/issues/comments/(\d+)",
    "gitlab": rf"/projects/{PROJECT}/merge_requests/{MERGE}/notes/(\d+)",
}
_EDIT = {"github": "PATCH", "gitlab": "PUT"}


@dataclass
class Forge:
    """What is there, what the token may do, and what was asked."""

    kind: Literal["github", "gitlab"]
    address: str = ""
    login: str = ""
    """The token's user; empty for the token of a workflow, which may not ask for it."""
    writes: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    next: list[tuple[int, str]] = field(default_factory=list)
    """Status and text of the next answers, whatever is asked for."""

    def add(self, body: str, login: str = "someone", kind: str = "User") -> dict[str, Any]:
        """Put a comment there."""
        author = {"login": login, "username": login, "type": kind}
        whose = {"github": "user", "gitlab": "author"}[self.kind]
        self.comments.append({"id": len(self.comments) + 1, "body": body, whose: author})
        return self.comments[-1]

    @property
    def bodies(self) -> list[str]:
        """What the comments say."""
        return [comment["body"] for comment in self.comments]

    def allows(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request carries the token, as this kind of forge takes it."""
        if self.kind == "github":
            return headers.get("Authorization") == f"Bearer {TOKEN}"
        return headers.get("PRIVATE-TOKEN") == TOKEN

    def answer(  # noqa: PLR0911 - a table of answers
        self, method: str, path: str, body: str
    ) -> tuple[int, Any]:
        """Return status and document of a request that carries the token."""
        if (method, path) == ("GET", "/user"):
            if not self.login:
                return 403, {"message": "Resource not accessible by integration"}
            return 200, {"login": self.login, "username": self.login, "type": "User"}
        if method == "GET" and path == _THREAD[self.kind]:
            return 200, self.comments
        one = re.fullmatch(_ONE[self.kind], path)
        if not (one and method == _EDIT[self.kind]) and path != _THREAD[self.kind]:
            return 404, {"message": "Not Found"}
        if not self.writes:
            return 403, {"message": "Resource not accessible by integration"}
        if one:
            comment = self.comments[int(one[1]) - 1]
            comment["body"] = body
            return 200, comment
        return 201, self.add(body, self.login or "github-actions[bot]", "Bot")


@contextmanager
def forge(kind: Literal["github", "gitlab"], **settings: Any) -> Iterator[Forge]:
    """Serve a forge until the end of the block."""
    served = Forge(kind, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answered(self) -> None:
            asked = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.asked.append((self.command, asked.path))
            if served.next:
                self.sent(*served.next.pop(0))
            elif not served.allows(self.headers):
                self.sent(401, '{"message": "Bad credentials"}')
            else:
                body = json.loads(text)["body"] if text else ""
                status, document = served.answer(self.command, asked.path, body)
                self.paged(status, document, parse_qs(asked.query))

        def paged(self, status: int, document: Any, query: dict[str, list[str]]) -> None:
            link = ""
            if isinstance(document, list):
                size = min(int(query["per_page"][0]), MOST)
                page = int(query["page"][0])
                if len(document) > size * page:
                    link = f'<{served.address}/elsewhere?page={page + 1}>; rel="next"'
                document = document[size * (page - 1) : size * page]
            self.sent(status, json.dumps(document), link)

        def sent(self, status: int, text: str, link: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_PATCH = answered  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
