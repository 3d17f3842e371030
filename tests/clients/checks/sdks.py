"""The SDKs: every group over every transport, every tool of it called; and the keys that must not open a group."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import judge
from .daemon import Daemon
from .report import Report
from .sample import Case, for_group
from .toolchain import HERE, Toolchain

TARGET_SECONDS = 30
ADAPTER_SECONDS = 400


@dataclass(frozen=True)
class Sdk:
    """A client library, its adapter, and the ways it can be asked to connect with the revision each must end at."""

    name: str
    adapter: str
    modes: dict[str, str]
    #: Which of the virtual environments; none for Node.
    python: str = ""
    #: Whether it also speaks the HTTP+SSE transport of 2024-11-05.
    sse: bool = False

    def command(self, tools: Toolchain) -> list[str]:
        adapter = str(HERE / "adapters" / self.adapter)
        return [str(tools.pythons[self.python]), adapter] if self.python else [str(tools.node), adapter]


SDKS = [
    Sdk("Python SDK 2.x", "python_v2.py", {"auto": "2026-07-28", "2026-07-28": "2026-07-28", "legacy": "2025-11-25"}, "v2"),
    Sdk("Python SDK 1.x", "python_v1.py", {"legacy": "2025-11-25"}, "v1", sse=True),
    Sdk("TypeScript SDK 1.x", "typescript_v1.mjs", {"legacy": "2025-11-25"}, sse=True),
]


@dataclass
class Visit:
    """One connection of one client: where to, what is called, and what must come of it."""

    target: dict[str, Any]
    code: str
    cases: list[Case] = field(default_factory=list)
    protocol: str = ""
    status: int = 0

    @property
    def label(self) -> str:
        return self.target["label"]


def visits(sdk: Sdk, daemon: Daemon) -> Iterator[Visit]:
    for code, tools in daemon.groups.items():
        key = daemon.keys[code]
        cases = for_group(tools, daemon.plan_id, code in daemon.scoped)
        calls = [{"tool": case.tool, "arguments": case.arguments} for case in cases]
        ways = {
            "http": {"url": daemon.url(code), "headers": {"Authorization": f"Bearer {key}"}},
            "http by key": {"url": daemon.url(), "headers": {"Authorization": f"Bearer {key}"}},
            "stdio": {"command": daemon.stdio(code), "env": {"ANMEI_MCP_API_KEY": key}},
        }
        if sdk.sse:
            streams = {"sse": daemon.sse(code), "sse by key": daemon.sse(), "sse at mcp": daemon.url(code), "sse at mcp by key": daemon.url()}
            authorization = {"Authorization": f"Bearer {key}"}
            ways |= {way: {"url": url, "headers": authorization, "transport": "sse"} for way, url in streams.items()}
        for mode, protocol in sdk.modes.items():
            for way, target in ways.items():
                yield Visit({"label": f"{code} · {way} · {mode}", "mode": mode, "calls": calls, **target}, code, cases, protocol)


def refusals(sdk: Sdk, daemon: Daemon) -> Iterator[Visit]:
    """Doors that must stay shut, and the status that says so."""
    codes = list(daemon.groups)
    for index, code in enumerate(codes):
        foreign = daemon.keys[codes[index - 1]]
        doors = [
            ("no key", daemon.url(code), {}, 401),
            ("a wrong key", daemon.url(code), {"Authorization": "Bearer mcp_key_" + "A" * 43}, 401),
            ("a wrong key, no code", daemon.url(), {"Authorization": "Bearer mcp_key_" + "A" * 43}, 401),
            ("the key of another group", daemon.url(code), {"Authorization": f"Bearer {foreign}"}, 403),
        ]
        for mode in sdk.modes:
            for what, url, headers, status in doors:
                yield Visit({"label": f"{code} · {what} · {mode}", "mode": mode, "calls": [], "url": url, "headers": headers}, code, status=status)
        if sdk.sse:
            for what, url, headers, status in [*doors[:2], doors[3]]:
                target = {"url": daemon.sse(code), "headers": headers, "transport": "sse"}
                yield Visit({"label": f"{code} · {what} · sse", "mode": "legacy", "calls": [], **target}, code, status=status)
    unknown = {"url": daemon.url("no_such_group"), "headers": {"Authorization": f"Bearer {daemon.keys[codes[0]]}"}}
    for mode in sdk.modes:
        yield Visit({"label": f"an unknown code · {mode}", "mode": mode, "calls": [], **unknown}, "", status=404)


def run(sdk: Sdk, tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """All visits and refusals of one SDK."""
    planned = [*visits(sdk, daemon), *refusals(sdk, daemon)]
    seen = drive(sdk, tools, [visit.target for visit in planned])
    for visit in planned:
        name = f"{sdk.name} · {visit.label}"
        found = seen.get(visit.label, {"failure": "the adapter ended before it came to this"})
        if visit.status:
            report.check(f"{name} · refused", refused(visit, found), note=str(visit.status))
        else:
            judge_visit(sdk, visit, found, daemon, report)


def drive(sdk: Sdk, tools: Toolchain, targets: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    plan = json.dumps({"targets": targets, "seconds": TARGET_SECONDS})
    environment = {**tools.environment(), "NODE_PACKAGES": str(tools.node_modules)}
    log = tools.work / f"{sdk.adapter}.log"
    with log.open("w") as errors:
        done = subprocess.run(
            sdk.command(tools), input=plan, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=ADAPTER_SECONDS, cwd=tools.home, env=environment, check=False
        )
    if done.returncode != 0:
        print(f"the adapter ended with {done.returncode}: {log.read_text()[-2000:]}", flush=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {answer["label"]: answer for answer in answers}


def refused(visit: Visit, found: dict[str, Any]) -> list[str]:
    problems = [] if found.get("failure") else ["the client was let in"]
    if found.get("tools") is not None:
        problems.append(f"it was shown {[tool['name'] for tool in found['tools']]}")
    if set(found.get("statuses", [])) != {visit.status}:
        problems.append(f"the answers were {found.get('statuses')}; expected {visit.status} only ({found.get('failure')})")
    if "nothing came of it" in str(found.get("failure")) or "TimeoutError" in str(found.get("failure")):
        problems.append("the client was left waiting")
    return problems


def judge_visit(sdk: Sdk, visit: Visit, found: dict[str, Any], daemon: Daemon, report: Report) -> None:
    name = f"{sdk.name} · {visit.label}"
    if not report.check(f"{name} · connected", connected(sdk, visit, found), note=str(found.get("protocol"))):
        return
    report.check(f"{name} · tools/list", judge.listing(found.get("tools", []), daemon.groups[visit.code], daemon.tools))
    outcomes = found.get("outcomes", [])
    for index, case in enumerate(visit.cases):
        seen = outcomes[index] if index < len(outcomes) else {"error": {"message": "never called"}}
        report.check(f"{name} · {case.name}", judge.outcome(case, seen))


def connected(sdk: Sdk, visit: Visit, found: dict[str, Any]) -> list[str]:
    problems = [found["failure"]] if found.get("failure") else []
    # The TypeScript client does not say which revision it agreed on over stdio.
    unsaid = sdk.adapter == "typescript_v1.mjs" and "command" in visit.target and found.get("protocol") is None
    if found.get("protocol") != visit.protocol and not unsaid:
        problems.append(f"the revision is {found.get('protocol')}; expected {visit.protocol}")
    # A client that is told the revision asks the server for nothing, and knows neither name nor instructions.
    asked = visit.target["mode"] in ("legacy", "auto")
    if asked and (found.get("server") or {}).get("name") != "AnmeiSmart MCP Server":
        problems.append(f"the server calls itself {found.get('server')}")
    if asked and not found.get("instructions"):
        problems.append("it gives no instructions")
    problems += [f"{kind} is {found[kind]}; expected an empty list" for kind in ("resources", "templates", "prompts") if found.get(kind)]
    return problems
