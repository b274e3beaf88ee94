"""Between netbench and a Docker Engine: every call of its API by name, and one of them injured.

    edge_proxy.py SOCKET ENGINE TOLD      serve at SOCKET what the engine's socket ENGINE answers

TOLD is an `Injury` of `support/edges.py` as JSON, or a file to write the name of every call to. A
name is method and path, such as `POST /containers/ID/start`; calls of the same name are counted.
It ends with the process that started it. It stands in the engine's own namespaces, because netbench
asks the kernel who listens.
"""

import json
import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

LATE: Final = 2.0  # seconds
_SOON: Final = 0.3  # seconds after which a stream is cut off
_PIECE: Final = 1 << 16
_REQUEST: Final = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
_ID: Final = re.compile(r"/(containers|exec|networks|images)/(?!json|create|prune)[^/]+")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def name_of(method: str, path: str) -> str:
    """Return the name of a call: no version, no number, no question."""
    plain = re.sub(r"^/v[\d.]+", "", path.partition("?")[0])
    return f"{method} {_ID.sub(lambda found: f'/{found[1]}/ID', plain)}"


class Calls:
    """Counts calls, and tells what is done to each."""

    def __init__(self, told: str) -> None:
        """Take what is told on the command line."""
        self.injury: dict[str, Any] = json.loads(told) if told.startswith("{") else {}
        self._log = None if self.injury else Path(told)
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def how(self, method: str, path: str) -> str:
        """Return how a call is injured; empty if it is not."""
        name = name_of(method, path)
        with self._lock:
            self._calls[name] += 1
            if self._log:
                with self._log.open("a") as file:
                    file.write(f"{name}\n")
        if (self.injury.get("name"), self.injury.get("nth")) != (name, self._calls[name]):
            return ""
        Path(self.injury["mark"]).write_text(path)
        return str(self.injury["how"])


class Connection:
    """One connection of netbench's, and one to the engine."""

    def __init__(self, client: socket.socket, engine: str, calls: Calls) -> None:
        """Connect to the engine; nothing is sent yet."""
        self._client, self._calls = client, calls
        self._engine = socket.socket(socket.AF_UNIX)
        self._engine.connect(engine)
        self._lost = False

    def serve(self) -> None:
        """Pass on both ways until either end closes."""
        back = threading.Thread(target=self._answers, daemon=True)
        back.start()
        left = 0  # of a body
        with suppress(OSError):
            while piece := self._client.recv(_PIECE):
                request = _REQUEST.match(piece) if left <= 0 else None
                if request is None:
                    left -= len(piece)
                    self._engine.sendall(piece)
                    continue
                how = self._calls.how(request[1].decode(), request[2].decode())
                length = _LENGTH.search(piece)
                left = int(length[1]) - len(piece.partition(b"\r\n\r\n")[2]) if length else 0
                if how == "fails":
                    self._refuse(left)
                    break
                self._injure(how)
                self._engine.sendall(piece)
                if how == "is cut off":
                    time.sleep(_SOON)
                    self._lost = True
                    self._client.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._engine.shutdown(socket.SHUT_WR)
        back.join(5)
        self._close()

    def _injure(self, how: str) -> None:
        if how == "is late":
            time.sleep(LATE)
        if how == "is lost":
            self._lost = True
        if how == "hangs":
            mark = Path(self._calls.injury["mark"])
            while mark.exists():
                time.sleep(0.02)

    def _refuse(self, left: int) -> None:
        """Answer as an engine that fails at this call, once its body has come."""
        while left > 0 and (piece := self._client.recv(_PIECE)):
            left -= len(piece)
        body = b'{"message":"the edge fails"}'
        head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._client.sendall((head + length).encode() + body)

    def _answers(self) -> None:
        """Pass on what the engine answers; nothing more once an answer is to be lost."""
        with suppress(OSError):
            while piece := self._engine.recv(_PIECE):
                if self._lost:
                    break
                self._client.sendall(piece)
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR if self._lost else socket.SHUT_WR)

    def _close(self) -> None:
        self._client.close()
        self._engine.close()


def main() -> None:
    """Serve until whoever started this ends."""
    path, engine, told = sys.argv[1:]
    calls = Calls(told)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    starter = os.getppid()
    server.settimeout(0.5)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while os.getppid() == starter:
        try:
            client, _ = server.accept()
        except TimeoutError:
            continue
        client.setblocking(True)
        connection = Connection(client, engine, calls)
        threading.Thread(target=connection.serve, daemon=True).start()


if __name__ == "__main__":
    main()
