"""64 (or so) connections that ask an http server without pause, in a process of their own, so that measuring does not wait for the test.

    connections.py PORT COUNT MODE PATH      MODE: close, keep or mixed (half of them each)

Ends at a line (or the end) of stdin and prints one JSON object: ok, failed (kind -> count), longest_gap_ms (without an answer on
any connection), connections (how many were opened)."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CLOSE = re.compile(rb"\r\nconnection: *close", re.I)
TIMEOUT = 20
SPREAD = 0.15  # over which the connections begin: requests of one length that begin together are answered together, which is no gap


class Count:
    def __init__(self):
        self.ok = self.opened = 0
        self.failed = {}
        self.last = None
        self.gap = 0.0
        self.stopping = False

    def answered(self):
        now = time.monotonic()
        if self.last is not None:  # how long the first request takes is no gap
            self.gap = max(self.gap, now - self.last)
        self.last = now
        self.ok += 1


async def ask(reader, writer, request):
    """True: the connection goes on."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
        raise ValueError(head[:60])
    length = LENGTH.search(head)
    if length:
        await reader.readexactly(int(length.group(1)))
    else:
        await reader.read()
    return length is not None and not CLOSE.search(head)


async def client(port, keep, path, count, delay):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
    reader = writer = None
    await asyncio.sleep(delay)
    while not count.stopping:
        try:
            if writer is None:
                reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), TIMEOUT)
                count.opened += 1
            goes_on = await asyncio.wait_for(ask(reader, writer, request), TIMEOUT)
            count.answered()
        except Exception as error:  # every failure is a result here
            kind = type(error).__name__
            count.failed[kind] = count.failed.get(kind, 0) + 1
            goes_on = False
            await asyncio.sleep(0.001)  # nobody there: no need to ask a hundred thousand times a second
        if writer is not None and not (goes_on and keep):
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


async def main():
    with contextlib.suppress(PermissionError):
        os.nice(-4)  # what measures is not to wait for a processor while servers start
    port, number, mode, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    count = Count()
    keeps = [mode == "keep" or (mode == "mixed" and i % 2 == 0) for i in range(number)]
    clients = [asyncio.create_task(client(port, keep, path, count, SPREAD * i / number)) for i, keep in enumerate(keeps)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    count.stopping = True
    await asyncio.gather(*clients)
    print(json.dumps({"ok": count.ok, "failed": count.failed, "longest_gap_ms": round(count.gap * 1000, 1), "connections": count.opened}))


asyncio.run(main())
