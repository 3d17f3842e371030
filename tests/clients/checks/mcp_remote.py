"""`mcp-remote`, the proxy that gives hosts without OAuth a way in: its own browser step is done by the stand-in."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .toolchain import HERE, Toolchain

SECONDS = 45


class McpRemote:
    """One run of the proxy, spoken to as a host does: JSON-RPC over its stdin and stdout."""

    def __init__(self, tools: Toolchain, url: str, key: str, memory: Path, port: int) -> None:
        environment = {**tools.environment(), "MCP_REMOTE_CONFIG_DIR": str(memory), "BROWSER": shutil.which("true") or "true"}
        self._environment = {**environment, "STAND_IN_KEY": key}
        line = [*tools.node_tool("mcp-remote"), url, str(port), "--host", "127.0.0.1", "--allow-http"]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tools.home, env=environment)
        self._answers: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self.consents = 0
        self._readers = [threading.Thread(target=self._hear, daemon=True), threading.Thread(target=self._watch, daemon=True)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> McpRemote:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)

    def _watch(self) -> None:
        """Opens the browser when it is asked for."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.rstrip())
            url = re.match(r"\s*(http://\S*[?&]code_challenge=\S*)", line)
            if url:
                self.consents += 1
                done = subprocess.run([sys.executable, str(HERE / "checks" / "browser.py"), url[1], "--follow"], capture_output=True, text=True, env=self._environment, check=False)
                self.said.append(f"stand-in: {done.returncode} {done.stderr[-800:]}")

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                message = json.loads(self._answers.get(timeout=1))
            except queue.Empty:
                if self._process.poll() is not None:
                    break
                continue
            if message.get("id") == 1:
                return message
        said = "\n".join(self.said[-25:])
        raise AssertionError(f"no answer to {method}; it said: {said}")

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def visit(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "client-checks", "version": "1.0.0"}})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        listed = [tool["name"] for tool in self.ask("tools/list", {})["result"]["tools"]]
        return {"tools": listed, "outcome": self.ask("tools/call", {"name": tool, "arguments": arguments}).get("result")}


def expire(memory: Path) -> str:
    """Makes the access token it remembers one that has run out, as after half an hour; returns the refresh token."""
    [file] = memory.rglob("*tokens.json")
    tokens = json.loads(file.read_text())
    if "expires_at" in tokens:
        tokens["expires_at"] = int(time.time() * 1000) - 1000
    tokens["access_token"] += "x"
    file.write_text(json.dumps(tokens))
    os.utime(file)
    return str(tokens.get("refresh_token"))


def remembered(memory: Path) -> dict[str, Any]:
    """The tokens it has now."""
    [file] = memory.rglob("*tokens.json")
    return json.loads(file.read_text())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
