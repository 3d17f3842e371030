"""A loopback proxy that adds a key to every request and changes nothing else.

The conformance suite has no option for headers. Host, Origin and everything else pass as they came, so that the checks
about them test the server behind; streams pass as they flow, and a client that goes away is gone for the server too.
"""

from __future__ import annotations

import asyncio
import threading
from urllib.parse import urlsplit


class KeyProxy:
    """Listens on a free loopback port while in use as a context."""

    def __init__(self, upstream: str, key: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._key = key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> KeyProxy:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result(10)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request: the server is asked to close, so that everything after the head is just bytes."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            writer.close()
            return
        up_writer.write(self._with_key(head))
        up = asyncio.create_task(pipe(reader, up_writer))
        down = asyncio.create_task(pipe(up_reader, writer))
        # Either side going away ends the exchange: an answer is complete when the server closes.
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for task in (up, down):
            task.cancel()
        for side in (writer, up_writer):
            side.close()

    def _with_key(self, head: bytes) -> bytes:
        first, *lines = head[:-4].split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"connection:", b"authorization:"))]
        return b"\r\n".join([first, *kept, b"Authorization: Bearer " + self._key.encode(), b"Connection: close", b"", b""])


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
