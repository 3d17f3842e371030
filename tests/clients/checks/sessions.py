"""Handshake sessions, switched on: real clients list, call, are told of a change within a second, and end their session."""

from __future__ import annotations

import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .daemon import Daemon, environment
from .report import Report
from .sdks import Sdk, drive
from .toolchain import Toolchain

#: Switches sessions on; they are off by default.
SETTINGS = ("mcp.sessions=true",)
#: How soon a client must be told of a change by another process.
TOLD_SECONDS = 1.0
PATIENCE_SECONDS = 10

CLIENTS = [
    Sdk("Python SDK 1.x", "session_python_v1.py", {}, "v1"),
    Sdk("TypeScript SDK 1.x", "session_typescript_v1.mjs", {}),
]

CODE = "project_tools"
TOOL = "get_service_info"


def run(tools: Toolchain, other: Daemon, report: Report) -> None:
    """A daemon of its own, with the same binary."""
    with tempfile.TemporaryDirectory(prefix="anmei-mcp-sessions-") as directory, Daemon(other.binary, Path(directory), SETTINGS) as daemon:
        for client in CLIENTS:
            for way, url in (("group", daemon.url(CODE)), ("by key", daemon.url())):
                one(client, way, url, tools, daemon, report)
        report.check("sessions · the daemon stops in order, and its log is clean", daemon.stop())


def one(client: Sdk, way: str, url: str, tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """One session of one client. The change takes a tool from another group, and back again in the next one."""
    name = f"sessions · {client.name} · {way}"
    extra = addition(daemon)
    target = {
        "label": name,
        "url": url,
        "headers": {"Authorization": f"Bearer {daemon.keys[CODE]}"},
        "tool": TOOL,
        "arguments": {},
        "change": [str(daemon.binary), *extra, "--data-dir", str(daemon.data)],
        "env": environment(daemon.data.parent),
        "seconds": PATIENCE_SECONDS,
    }
    before = list(daemon.groups[CODE])
    found = drive(client, tools, [target]).get(name, {"failure": "the adapter ended before it came to this"})
    daemon.groups[CODE] = group_tools(daemon)
    if report.check(f"{name} · connected", connected(found, before), note=str(found.get("protocol"))):
        report.check(f"{name} · tools/call", [] if not found["call"].get("isError") else [json.dumps(found["call"], ensure_ascii=False)])
        report.check(f"{name} · told of the change", told(found, daemon.groups[CODE]), note=f"{found.get('told_after', 0):.2f} s")
        report.check(f"{name} · ended", ended(found, url, daemon.keys[CODE]))


def addition(daemon: Daemon) -> list[str]:
    """The change: another tool for the group, or that tool taken away again."""
    switched = "search_users"
    return ["tool", "disable" if switched in daemon.groups[CODE] else "enable", CODE, switched]


def group_tools(daemon: Daemon) -> list[str]:
    groups = json.loads(daemon.command("group", "list", "--json"))
    return next(group["tools"] for group in groups if group["server_code"] == CODE)


def connected(found: dict[str, Any], tools: list[str]) -> list[str]:
    problems = [found["failure"]] if found.get("failure") else []
    if not found.get("session"):
        problems.append("there is no session")
    if found.get("before") != tools:
        problems.append(f"the list is {found.get('before')}; expected {tools}")
    return problems


def told(found: dict[str, Any], tools: list[str]) -> list[str]:
    late = found.get("told_after", PATIENCE_SECONDS)
    problems = [] if late <= TOLD_SECONDS else [f"it was told after {late:.2f} s; at most {TOLD_SECONDS} s"]
    return problems + ([] if found.get("after") == tools else [f"the new list is {found.get('after')}; expected {tools}"])


def ended(found: dict[str, Any], url: str, key: str) -> list[str]:
    """The client's DELETE was answered 200, and its session is gone."""
    problems = [] if ["DELETE", 200] in found["requests"] else [f"no DELETE was answered 200: {found['requests']}"]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": found["protocol"],
        "Mcp-Session-Id": found["session"],
    }
    status = answer(urllib.request.Request(url, body, headers))
    return problems + ([] if status == 404 else [f"the session is answered {status} after its end; expected 404"])


def answer(request: urllib.request.Request) -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=PATIENCE_SECONDS) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
