"""MCP Inspector's command line: both eras, HTTP and stdio, `--strict` lists, every tool called."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import judge
from .daemon import Daemon
from .report import Report
from .sample import Case, for_group
from .toolchain import Toolchain

ERAS = ("legacy", "modern")
SECONDS = 60
#: What the Inspector's exit codes mean, as far as they are expected here.
OK, AUTHENTICATION, NO_SUCH_TOOL = 0, 3, 5


def run(tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """Everything, a few at a time: each call is a process of its own."""
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        jobs = []
        for code, names in daemon.groups.items():
            for label, target in ways(code, daemon):
                jobs.append(pool.submit(check_list, tools, daemon, report, f"{code} · {label}", target, code))
                jobs += [pool.submit(check_call, tools, report, f"{code} · {label}", target, case) for case in for_group(names, daemon.plan_id, code in daemon.scoped)]
            jobs += [pool.submit(check_refusal, tools, report, code, era, daemon) for era in ERAS]
        for job in jobs:
            job.result()


def ways(code: str, daemon: Daemon) -> Iterator[tuple[str, list[str]]]:
    """Every way in, as the Inspector's arguments."""
    key = daemon.keys[code]
    for era in ERAS:
        header = ["--header", f"Authorization: Bearer {key}", "--protocol-era", era]
        yield f"http · {era}", [daemon.url(code), *header]
        yield f"http by key · {era}", [daemon.url(), *header]
        yield f"stdio · {era}", [*daemon.stdio(code), "-e", f"ANMEI_MCP_API_KEY={key}", "--protocol-era", era]


def inspect(tools: Toolchain, target: list[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON of stdout or stderr, and all that was said."""
    # Its own options come first: what follows a server's command is that command's.
    line = [*tools.node_tool("mcp-inspector"), "--cli", *options_first(target, arguments)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=tools.home, env=tools.environment(), check=False)
    except subprocess.TimeoutExpired:
        return -1, {}, f"nothing came of it within {SECONDS} s"
    said = done.stdout + done.stderr
    for text in (done.stdout, *done.stderr.splitlines()):
        try:
            return done.returncode, json.loads(text), said
        except json.JSONDecodeError:
            continue
    return done.returncode, {}, said


def options_first(target: list[str], arguments: tuple[str, ...]) -> list[str]:
    if target[0].startswith("http"):
        return [*target, *arguments]
    split = target.index("-e")
    return [*target[split:], *arguments, *target[:split]]


def check_list(tools: Toolchain, daemon: Daemon, report: Report, label: str, target: list[str], code: str) -> None:
    status, answer, said = inspect(tools, target, "--method", "tools/list", "--strict", "--format", "json")
    listed = (answer.get("result") or {}).get("tools")
    if status != OK or not isinstance(listed, list):
        problems = [f"it ended with {status}: {said}"]
    else:
        problems = judge.listing(listed, daemon.groups[code], daemon.tools)
    report.check(f"Inspector · {label} · tools/list --strict", problems)


def check_call(tools: Toolchain, report: Report, label: str, target: list[str], case: Case) -> None:
    arguments = json.dumps(case.arguments, ensure_ascii=False)
    status, answer, said = inspect(tools, target, "--method", "tools/call", "--tool-name", case.tool, "--tool-args-json", arguments, "--format", "json")
    if case.expect == "error":
        # It looks the tool up in the list before it would call it.
        problems = [] if status == NO_SUCH_TOOL else [f"it ended with {status}; expected {NO_SUCH_TOOL}: {said}"]
    elif "result" not in answer:
        problems = [f"it ended with {status}: {said}"]
    else:
        problems = judge.outcome(case, answer)
    report.check(f"Inspector · {label} · {case.name}", problems)


def check_refusal(tools: Toolchain, report: Report, code: str, era: str, daemon: Daemon) -> None:
    target = [daemon.url(code), "--header", "Authorization: Bearer mcp_key_" + "A" * 43, "--protocol-era", era, "--stored-auth-only"]
    status, _, said = inspect(tools, target, "--method", "tools/list", "--format", "json")
    problems = [] if status == AUTHENTICATION else [f"it ended with {status}; expected {AUTHENTICATION}: {said}"]
    report.check(f"Inspector · {code} · a wrong key · {era} · refused", problems)
