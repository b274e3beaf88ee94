"""The two-way stream of a command in a container, as the engine multiplexes it."""

import io
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from docker.utils.socket import read

_HEAD: Final = struct.Struct(">BxxxL")
"""Before each piece of output: 1 for stdout or 2 for stderr, nothing, the length."""
_PIECE: Final = 65536


class AttachedStream:
    """Both directions at once: one thread may read while others write."""

    def __init__(self, stream: Any) -> None:
        """Take what the SDK hands out: the raw end of a buffered reader."""
        self._stream = stream
        self._socket: socket.socket = getattr(stream, "_sock", stream)
        self._lock = threading.Lock()
        self._data = bytearray(self._early())
        self._socket.setblocking(True)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def _early(self) -> bytes:
        """Return what came in one piece with the answer's head: the reader has that."""
        buffered = _buffered(self._stream)
        if buffered is not None:
            self._socket.setblocking(False)
            with suppress(OSError):
                return buffered.peek()
        return b""

    def send(self, data: bytes) -> None:
        """Write everything.

        Raises:
            OSError: nobody reads it any more.
        """
        with self._lock:
            self._socket.sendall(data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, bytes) until the end; 1 is stdout, 2 stderr.

        Raises:
            OSError: the engine is gone.
        """
        try:
            while True:
                yield from self._whole()
                piece = self._piece()
                if piece == b"":
                    return
                self._data += piece or b""
        finally:
            with suppress(OSError):
                getattr(self._stream, "_response", self._stream).close()

    def _whole(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has come to its end."""
        while len(self._data) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._data)
            end = _HEAD.size + size
            if len(self._data) < end:
                return
            yield kind, bytes(self._data[_HEAD.size : end])
            del self._data[:end]

    def _piece(self) -> bytes | None:
        """Return what is there as soon as anything is; None where it was not for us to see."""
        if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            # Not within the lock, which TLS needs: its two directions share one state.
            self._readable.poll()
        with self._lock:
            self._socket.setblocking(False)
            try:
                return self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            finally:
                self._socket.setblocking(True)

    def end(self) -> None:
        """End both directions; who reads is told."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def reader(stream: Any) -> Callable[[int], bytes]:
    """Return a function that reads exactly n bytes, fewer only at the end.

    The SDK hands out the raw end of a buffered reader, whose buffer may hold the first bytes
    already, and leaves the request's timeout on it.
    """
    buffered = _buffered(stream)
    if buffered is not None:
        plain = getattr(stream, "_sock", stream)
        plain.settimeout(None)
        return buffered.read

    def exactly(size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (more := read(stream, size - len(data))):
            data += more
        return bytes(data)

    return exactly


def _buffered(stream: Any) -> io.BufferedReader | None:
    """Return the reader whose raw end the SDK has handed out, None where there is none."""
    response = getattr(stream, "_response", None)
    found = getattr(getattr(getattr(response, "raw", None), "_fp", None), "fp", None)
    return found if isinstance(found, io.BufferedReader) else None


def frames(take: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (stream, bytes) of the engine's multiplexed stream; 1 is stdout, 2 stderr."""
    while len(head := take(_HEAD.size)) == _HEAD.size:
        kind, size = _HEAD.unpack(head)
        yield kind, take(size)
