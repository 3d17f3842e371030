"""A thousand connections that drip, ten thousand that do nothing, and somebody who works meanwhile."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rig.daemon import Daemon
from rig.report import Result
from rig.tools import Trimmer

from . import bench

IDLE, STREAMS, CALLS = 9_500, 500, 200
# As measured for a bare server, with room for what a connection of ours holds besides; and what the slowest hundredth of the calls
# may take meanwhile.
KIB_EACH, IDLE_CALL_SECONDS, DRIP_CALL_SECONDS = 25, 0.02, 0.05
# What is held after the crowd has gone, against what was held before it came.
HELD_AFTER = 1.1

DRIPS = 1_000
# The limits of the drips, short so that the case is, and what may come on top of each.
FIRST_BYTE, HEAD, BODY, GRACE = 1, 2, 3, 1.5


def h1_slow_crowd(site: bench.Site) -> Result:
    """1 000 connections that say nothing, or a byte of a head or a body now and then: each is cut, and calls stay fast."""
    settings = {
        "ANMEI_MCP_HTTP__FIRST_BYTE_TIMEOUT": f"{FIRST_BYTE}s",
        "ANMEI_MCP_HTTP__HEADER_TIMEOUT": f"{HEAD}s",
        "ANMEI_MCP_HTTP__REQUEST_TIMEOUT": f"{BODY}s",
        "ANMEI_MCP_HTTP__MAX_CONNECTIONS_PER_ADDRESS": "0",
    }
    with prepared(site, "h1", DRIPS) as daemon:
        daemon.start(extra=settings)
        caller = Beside(daemon)
        drips = Drips((caller.host, caller.port), caller.key, site.seed)
        asyncio.run(caller.work(drips, DRIPS))
        return caller.result(drips, DRIPS)


def h2_idle_crowd(site: bench.Site) -> Result:
    """9 500 kept-alive connections and 500 event streams: calls stay fast, memory stays small and comes back."""
    share = min(1.0, max(0.02, site.scale))
    idle, streams = round(IDLE * share), round(STREAMS * share)
    trimmer = Trimmer(site.work / "h2")
    settings = {
        "ANMEI_MCP_HTTP__MAX_CONNECTIONS": "12000",
        "ANMEI_MCP_HTTP__MAX_CONNECTIONS_PER_ADDRESS": "0",
        "ANMEI_MCP_HTTP__HEADER_TIMEOUT": "5m",
        "ANMEI_MCP_MCP__LEGACY_SSE_STREAMS": "1000",
        **trimmer.environment,
    }
    with prepared(site, "h2", idle + streams) as daemon:
        daemon.start(extra=settings)
        crowd = Crowd(daemon, trimmer)
        asyncio.run(crowd.gather(idle, streams))
        return crowd.result(idle + streams)


def prepared(site: bench.Site, name: str, connections: int) -> Daemon:
    """A daemon that may hold so many connections, and whose callers may call as often as they like."""
    # Inherited by the daemon, which holds the other end of each connection.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(connections + 1_000, hard)), hard))
    daemon = Daemon(site.binary, site.work / name, site.copy(site.work / name))
    changed = daemon.run("settings", "set", "limits.call_per_minute=100000")
    if changed.returncode != 0:
        raise OSError(f"the limit of calls is refused: {changed.stderr.strip()}")
    return daemon


class Caller:
    """Somebody who works, one call after the other, and what was measured."""

    def __init__(self, daemon: Daemon) -> None:
        self.key = json.loads(daemon.run("key", "show", "system_tools", "--json").stdout)["key"]
        run = json.loads((daemon.data / "run.json").read_text())
        self.host, port = run["mcp"].removeprefix("http://").rsplit(":", 1)
        self.port, self.pid = int(port), daemon.pid
        self.calls: list[float] = []
        self.refused = 0

    async def warm(self) -> None:
        """The first calls fill pools and caches that stay."""
        for _ in range(20):
            await self.call()
        self.calls.clear()

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

    def slowest(self) -> float:
        """What the slowest hundredth of the calls took."""
        return sorted(self.calls)[int(len(self.calls) * 0.99) - 1]

    def findings(self, each: float, limit: float) -> list[str]:
        """What is wrong about the calls, and about what a connection costs."""
        found = []
        if self.refused:
            found.append(f"{self.refused} connections or calls were refused")
        if each > KIB_EACH:
            found.append(f"a connection costs {each:.1f} KiB, more than {KIB_EACH}")
        if self.slowest() > limit:
            found.append(f"the slowest hundredth of the calls took {self.slowest() * 1000:.0f} ms, more than {limit * 1000:.0f}")
        return found


class Drips:
    """Connections of three kinds, each of which is to be cut in its time. They have a process of their own: whoever works beside
    them is not to wait for this side's turn."""

    def __init__(self, place: tuple[str, int], key: str, seed: int) -> None:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
        body = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
        self.kinds = {"silent": ("", FIRST_BYTE), "head": (head, HEAD), "body": (body, BODY)}
        self.place, self.chance = place, random.Random(seed)
        self.lasted: dict[str, list[float]] = {kind: [] for kind in self.kinds}

    def run(self, count: int) -> dict[str, list[float]]:
        """How long each connection lasted."""
        asyncio.run(self.all(count))
        return self.lasted

    async def all(self, count: int) -> None:
        kinds = list(self.kinds)
        await asyncio.gather(*(self.drip(kinds[n % len(kinds)]) for n in range(count)))

    async def drip(self, kind: str) -> None:
        """Says what its kind says, a byte at a time, until it is cut."""
        said, limit = self.kinds[kind]
        await asyncio.sleep(self.chance.random() / 2)
        reader, writer = await asyncio.open_connection(*self.place)
        began = time.monotonic()
        try:
            writer.write(said.encode())
            while time.monotonic() - began < limit + 2 * GRACE and not await self.ended(reader):
                writer.write(b"a" if said else b"")
        except OSError:
            pass
        self.lasted[kind].append(time.monotonic() - began)
        writer.close()

    @staticmethod
    async def ended(reader: asyncio.StreamReader) -> bool:
        """Whether the connection ends within half a second."""
        try:
            await asyncio.wait_for(reader.read(), 0.5)
        except asyncio.TimeoutError:
            return False
        return True


class Beside(Caller):
    """Who works beside the drips."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)
        self.memory = [0, 0]
        self.lasted: dict[str, list[float]] = {}

    async def work(self, drips: Drips, count: int) -> None:
        await self.warm()
        self.memory[0] = self.resident()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            dripping = pool.submit(drips.run, count)
            while not dripping.done():
                await self.call()
                self.memory[1] = max(self.memory[1], self.resident())
                await asyncio.sleep(0.01)
            self.lasted = dripping.result()

    def result(self, drips: Drips, count: int) -> Result:
        each = (self.memory[1] - self.memory[0]) / count
        findings = self.findings(each, DRIP_CALL_SECONDS)
        for kind, (_, limit) in drips.kinds.items():
            wrong = [lasted for lasted in self.lasted[kind] if not limit / 2 < lasted < limit + GRACE]
            if wrong:
                findings.append(f"{kind}: {len(wrong)} of {len(self.lasted[kind])} were not cut after {limit} s but after {min(wrong):.1f} to {max(wrong):.1f} s")
        longest = ", ".join(f"{kind} {max(lasted):.1f} s" for kind, lasted in self.lasted.items())
        figures = f"{count} connections ({longest}), {each:.1f} KiB each, {len(self.calls)} calls, p99 {self.slowest() * 1000:.0f} ms"
        return Result("H1 slow crowd", figures=figures, findings=findings)


class Crowd(Caller):
    """Connections at rest, and what was measured beside them."""

    def __init__(self, daemon: Daemon, trimmer: Trimmer) -> None:
        super().__init__(daemon)
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.trimmer = trimmer
        # Before and during, and after: what the C library keeps for the next crowd among it, and without that.
        self.memory = [0, 0, 0, 0]

    async def gather(self, idle: int, streams: int) -> None:
        await self.warm()
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
        self.trimmer.trim()
        self.memory[3] = self.resident()

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

    def result(self, connections: int) -> Result:
        before, during, after, held = self.memory
        each = (during - before) / connections
        findings = self.findings(each, IDLE_CALL_SECONDS)
        if held > before * HELD_AFTER:
            findings.append(f"{held} KiB are held after the crowd has gone, and {before} were before it came")
        sizes = " → ".join(f"{size // 1024}" for size in (before, during, after))
        figures = f"{connections} connections, {each:.1f} KiB each, call p99 {self.slowest() * 1000:.0f} ms, {sizes} MiB, of which {held // 1024} are held"
        return Result("H2 idle crowd", figures=figures, findings=findings)
