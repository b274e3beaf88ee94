"""One side of the sentinel: a process of its own, so that it can sit on a CPU of its own.

A script with nothing but the standard library: `python -I -S worker.py FD CONTROL`, where FD is its
end of the socket pair. Each message on the socket CONTROL is one command, answered by messages; it
sleeps in between and ends when that socket does.

    lead METHOD CPU SECONDS     the side that keeps time
    follow METHOD CPU SECONDS   says `ready` once it sits on its CPU and waits
    copy BLOCK CPU SECONDS      copies BLOCK bytes from place to place, alone

All end with `done STARTED ENDED AMOUNT`: CLOCK_MONOTONIC seconds, and bytes (stream, copy) or round
trips (ping-pong); or with `error TEXT`.
"""

import os
import sys
import time

BLOCK = 128 * 1024  # bytes of one write of the stream
MESSAGE = 16  # bytes of one message of the ping-pong
MORE, LAST = b"\0", b"\1"  # bytes of a message, and of the last one

BATCH = 2 * 1024 * 1024  # bytes that are copied at least between two looks at the clock

Outcome = tuple[float, float, int]


def lead_stream(fd: int, seconds: float) -> Outcome:
    """Send blocks for so long; the amount counts what was handed to the kernel."""
    block, sent = MORE * BLOCK, 0
    started = time.monotonic()
    until = started + seconds
    while time.monotonic() < until:
        sent += os.write(fd, block)
    os.write(fd, LAST)
    return started, time.monotonic(), sent


def follow_stream(fd: int) -> Outcome:
    """Receive up to the last byte; the first block only starts the clock."""
    buffer, received = bytearray(BLOCK), 0
    count = os.readv(fd, [buffer])
    started = time.monotonic()
    while count and buffer[count - 1] != LAST[0]:
        count = os.readv(fd, [buffer])
        received += count
    if not count:
        raise EOFError("the other side is gone")
    return started, time.monotonic(), received


def lead_pingpong(fd: int, seconds: float) -> Outcome:
    """Send a message and await its echo, for so long."""
    message, trips = MORE * MESSAGE, 0
    started = now = time.monotonic()
    until = started + seconds
    while now < until:
        os.write(fd, message)
        if not os.read(fd, MESSAGE):
            raise EOFError("the other side is gone")
        trips += 1
        now = time.monotonic()
    os.write(fd, LAST * MESSAGE)
    return started, now, trips


def follow_pingpong(fd: int) -> Outcome:
    """Echo every message up to the last one."""
    started, trips = time.monotonic(), 0
    while (message := os.read(fd, MESSAGE)) and message[:1] == MORE:
        os.write(fd, message)
        trips += 1
    if not message:
        raise EOFError("the other side is gone")
    return started, time.monotonic(), trips


def copy(block: int, seconds: float) -> Outcome:
    """Copy one block, which is touched and holds no zeros (one page for all), for so long."""
    source, target = memoryview(bytearray(LAST) * block), memoryview(bytearray(block))
    target[:] = source
    times, copied = max(1, BATCH // block), 0
    started = now = time.monotonic()
    until = started + seconds
    while now < until:
        for _ in range(times):
            target[:] = source
        copied += times * block
        now = time.monotonic()
    return started, now, copied


def obey(fd: int, control: int, line: str) -> str:
    """Carry out one command and return its last answer."""
    side, method, cpu, seconds = line.split()
    os.sched_setaffinity(0, {int(cpu)})
    if side == "copy":
        started, ended, amount = copy(int(method), float(seconds))
    elif side == "follow":
        os.write(control, b"ready")
        follow = follow_stream if method == "stream" else follow_pingpong
        started, ended, amount = follow(fd)
    else:
        lead = lead_stream if method == "stream" else lead_pingpong
        started, ended, amount = lead(fd, float(seconds))
    return f"done {started!r} {ended!r} {amount}"


def main() -> None:
    """Obey until the control socket ends."""
    fd, control = map(int, sys.argv[1:])
    while line := os.read(control, 4096):
        try:
            answer = obey(fd, control, line.decode())
        except (OSError, EOFError, MemoryError) as exc:
            answer = f"error {exc}"
        os.write(control, answer.encode())


if __name__ == "__main__":
    main()
