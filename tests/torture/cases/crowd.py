"""Ten thousand connections that do nothing, and somebody who works meanwhile."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from pathlib import Path

from rig.daemon import Daemon
from rig.report import Result

from . import bench

IDLE, STREAMS, CALLS = 9_500, 500, 200
# As measured for a bare server, with room for what a connection of ours holds besides.
KIB_EACH, CALL_SECONDS = 25, 0.25


def h2_idle_crowd(site: bench.Site) -> Result:
    """9 500 kept-alive connections and 500 event streams: calls stay fast, memory stays small and comes back."""
    share = min(1.0, max(0.02, site.scale))
    idle, streams = round(IDLE * share), round(STREAMS * share)
    # Inherited by the daemon, which holds the other end of each connection.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(idle + streams + 1_000, hard)), hard))
    settings = {
        "ANMEI_MCP_HTTP__MAX_CONNECTIONS": "12000",
        "ANMEI_MCP_HTTP__MAX_CONNECTIONS_PER_ADDRESS": "0",
        "ANMEI_MCP_HTTP__HEADER_TIMEOUT": "5m",
        "ANMEI_MCP_MCP__LEGACY_SSE_STREAMS": "1000",
    }
    with Daemon(site.binary, site.work / "h2", site.copy(site.work / "h2")) as daemon:
        daemon.start(extra=settings)
        key = json.loads(daemon.run("key", "show", "system_tools", "--json").stdout)["key"]
        run = json.loads((daemon.data / "run.json").read_text())
        host, port = run["mcp"].removeprefix("http://").rsplit(":", 1)
        crowd = Crowd(host, int(port), key, daemon.pid)
        asyncio.run(crowd.gather(idle, streams))
        return crowd.result(idle + streams)


class Crowd:
    """The connections, and what was measured beside them."""

    def __init__(self, host: str, port: int, key: str, pid: int) -> None:
        self.host, self.port, self.key, self.pid = host, port, key, pid
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.calls: list[float] = []
        self.refused = 0
        self.memory = [0, 0, 0]

    async def gather(self, idle: int, streams: int) -> None:
        # The first calls fill pools and caches that stay.
        for _ in range(20):
            await self.call()
        self.calls.clear()
        self.memory[0] = self.resident()
        for count, work in ((idle, self.rest), (streams, self.stream)):
            for begin in range(0, count, 200):
                await asyncio.gather(*(work() for _ in range(min(200, count - begin))))
        self.memory[1] = self.resident()
        for _ in range(CALLS):
            await self.call()
        for _, writer in self.open:
            writer.close()
        self.open.clear()
        await asyncio.sleep(3)
        self.memory[2] = self.resident()

    async def rest(self) -> None:
        """One answered request, and then silence."""
        await self.begin("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200")

    async def stream(self) -> None:
        """An event stream on which nothing is asked."""
        head = f"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\nAccept: text/event-stream\r\n\r\n"
        await self.begin(head, b"HTTP/1.1 200")

    async def begin(self, head: str, wanted: bytes) -> None:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(head.encode())
            answer = await asyncio.wait_for(reader.read(4096), 10)
        except (OSError, asyncio.TimeoutError):
            self.refused += 1
            return
        self.refused += not answer.startswith(wanted)
        self.open.append((reader, writer))

    async def call(self) -> None:
        """One tool call over a connection of its own."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_users", "arguments": {"query": "a"}}})
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write((head + body).encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        self.refused += not answer.startswith(b"HTTP/1.1 200")
        self.calls.append(time.monotonic() - began)

    def resident(self) -> int:
        """KiB in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def result(self, connections: int) -> Result:
        before, during, after = self.memory
        each = (during - before) / connections
        slowest = sorted(self.calls)[int(len(self.calls) * 0.99) - 1]
        findings = []
        if self.refused:
            findings.append(f"{self.refused} connections or calls were refused")
        if each > KIB_EACH:
            findings.append(f"a connection costs {each:.1f} KiB, more than {KIB_EACH}")
        if slowest > CALL_SECONDS:
            findings.append(f"the slowest hundredth of the calls took {slowest * 1000:.0f} ms, more than {CALL_SECONDS * 1000:.0f}")
        figures = f"{connections} connections, {each:.1f} KiB each, call p99 {slowest * 1000:.0f} ms, {before // 1024} → {during // 1024} → {after // 1024} MiB"
        return Result("H2 idle crowd", figures=figures, findings=findings)
