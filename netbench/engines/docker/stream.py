"""The two-way stream of a command in a container, as the engine multiplexes it."""

import io
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

_HEAD: Final = struct.Struct(">BxxxL")
"""Before each piece of output: 1 for stdout or 2 for stderr, and the length."""
_PIECE: Final = 65536


class AttachedStream:
    """Both directions at once: one thread may read while others write.

    The SDK's own reader cannot: it loses what came with the answer's head, and under TLS the two
    directions share one state.
    """

    def __init__(self, stream: Any) -> None:
        """Take what the SDK returns: the raw end of a buffered reader."""
        self._response = getattr(stream, "_response", stream)
        self._socket: socket.socket = getattr(stream, "_sock", stream)
        self._lock = threading.Lock()
        self._socket.setblocking(False)
        self._data = bytearray()
        raw = getattr(self._response, "raw", None)
        buffered = getattr(getattr(raw, "_fp", None), "fp", None)
        if isinstance(buffered, io.BufferedReader):
            with suppress(OSError):
                self._data += buffered.peek()
        self._socket.setblocking(True)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def send(self, data: bytes) -> None:
        """Write everything; `OSError` if the other end is closed."""
        with self._lock:
            self._socket.sendall(data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, bytes) to the end; 1 is stdout, 2 stderr; `OSError` if it breaks off."""
        data = self._data
        try:
            while True:
                while len(data) >= _HEAD.size:
                    kind, size = _HEAD.unpack_from(data)
                    end = _HEAD.size + size
                    if len(data) < end:
                        break
                    yield kind, bytes(data[_HEAD.size : end])
                    del data[:end]
                piece = self._piece()
                if piece == b"":
                    return
                data += piece or b""
        finally:
            with suppress(OSError):
                self._response.close()

    def _piece(self) -> bytes | None:
        """Return what has arrived, as soon as anything has; None if TLS kept it to itself."""
        if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            self._readable.poll()  # without the lock, so that others can write meanwhile
        with self._lock:
            self._socket.setblocking(False)
            try:
                return self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            finally:
                self._socket.setblocking(True)

    def end(self) -> None:
        """End both directions; the reader sees the end."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
