import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.engines.docker.client import Clients, EngineAddress
from netbench.engines.docker.launcher import AttachedStream

VERSION = {"ApiVersion": "1.45"}
ENDED = {"Running": False, "ExitCode": 3, "Pid": 0}


def frame(kind: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(text)) + text


STREAM = frame(1, b"first ") + frame(2, b"warning") + frame(1, b"last")


def answer(body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def serve(listener: socket.socket) -> None:
    """Speak just enough of the Engine API; the exec's output comes in one piece with the head."""
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=converse, args=(peer,), daemon=True).start()


def converse(peer: socket.socket) -> None:
    with peer:
        while request := peer.recv(65536):
            path = request.split(b" ", 2)[1]
            if path.endswith(b"/start"):
                peer.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n" + STREAM)
                return
            if path.endswith(b"/json"):
                peer.sendall(answer(ENDED))
            else:
                peer.sendall(answer({"Id": "made"} if path.endswith(b"/exec") else VERSION))


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        opened = Clients(EngineAddress(f"unix://{path}", "test"))
        yield opened
        opened.close()
        listener.shutdown(socket.SHUT_RDWR)


def test_output_that_comes_with_the_answers_head_is_not_lost(clients: Clients) -> None:
    with clients.lend("listen") as api:
        wire = AttachedStream(api.exec_start("made", socket=True))

    assert list(wire.frames()) == [(1, b"first "), (2, b"warning"), (1, b"last")]
