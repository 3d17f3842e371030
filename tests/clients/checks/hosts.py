"""Hosts with what `anmei-mcp connect` wrote for them: unmodified, they reach every group.

MCP Inspector reads the file that is written for it, by every transport. Claude Code, Codex and Gemini CLI are too large to
be installed for this; where one is on the PATH, it must accept its own file too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from . import judge
from .daemon import Daemon, environment
from .report import Report
from .toolchain import Toolchain

SECONDS = 90
TRANSPORTS = ("http", "sse", "stdio")
#: How each of them lists its servers, and what it says of one that it accepts.
OTHERS = {"claude-code": ("claude", "Connected"), "codex": ("codex", "enabled"), "gemini": ("gemini", "(http)")}


def run(tools: Toolchain, daemon: Daemon, report: Report) -> None:
    home = daemon.data.parent / "hosts"
    home.mkdir()
    offered = {code: f"anmei-{code.replace('_', '-')}" for code in daemon.groups if code not in daemon.scoped}
    for transport in TRANSPORTS:
        file = home / f"{transport}.json"
        daemon.command("connect", "inspector", "--write", "--file", str(file), "--transport", transport)
        for code, name in offered.items():
            report.check(f"Inspector · its own file · {transport} · {code}", inspected(tools, daemon, file, name, code))
    for host, (program, accepted) in OTHERS.items():
        if shutil.which(program) is None:
            print(f"     {host} is not installed here", flush=True)
            continue
        report.check(f"{host} · its own file", listed(daemon, home / host, host, (program, accepted), list(offered.values())))


def inspected(tools: Toolchain, daemon: Daemon, file: Path, name: str, code: str) -> list[str]:
    line = [*tools.node_tool("mcp-inspector"), "--cli", "--config", str(file), "--server", name, "--method", "tools/list", "--format", "json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=tools.home, env=tools.environment(), check=False)
    if done.returncode != 0:
        return [f"it ended with {done.returncode}: {done.stdout}{done.stderr}"]
    return judge.listing(json.loads(done.stdout)["result"]["tools"], daemon.groups[code], daemon.tools)


def listed(daemon: Daemon, home: Path, host: str, program: tuple[str, str], names: list[str]) -> list[str]:
    """What the host says of its servers, in a home of its own."""
    home.mkdir()
    env = {**environment(home), "NO_COLOR": "1"}
    written = subprocess.run(
        [str(daemon.binary), "connect", host, "--write", "--data-dir", str(daemon.data)], capture_output=True, text=True, timeout=SECONDS, env=env, check=False
    )
    if written.returncode != 0:
        return [written.stderr]
    command, accepted = program
    done = subprocess.run([command, "mcp", "list"], capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=home, env=env, check=False)
    said = done.stdout + done.stderr
    return [f"{name} is not accepted: {said}" for name in names if not any(name in line and accepted in line for line in said.splitlines())]
