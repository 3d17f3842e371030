"""OAuth clients, unmodified: discovery, registration, consent, token, tools/list, tools/call, refresh.

The person who consents is played by browser.py, which proves the right to the group with its key. Every client must end
with tokens that open its group and nothing else.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import dify, judge, mcp_remote
from .conformance import SUITE
from .daemon import Daemon
from .report import Report
from .sample import Case, for_group
from .toolchain import HERE, Toolchain

SECONDS = 90
GROUP = "system_tools"
#: What the conformance suite has to check of an authorization server.
SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")


@dataclass(frozen=True)
class Client:
    """A client library behind an adapter."""

    name: str
    adapter: str
    #: Which of the virtual environments; none for Node.
    python: str = ""
    mode: str = ""

    def command(self, tools: Toolchain) -> list[str]:
        adapter = str(HERE / "adapters" / self.adapter)
        return [str(tools.pythons[self.python]), adapter] if self.python else [str(tools.node), adapter]


CLIENTS = [
    Client("Python SDK 1.x", "oauth_python_v1.py", "v1"),
    Client("Python SDK 2.x, 2026-07-28", "oauth_python_v2.py", "v2", "auto"),
    Client("Python SDK 2.x, handshake", "oauth_python_v2.py", "v2", "legacy"),
    Client("TypeScript SDK 1.x", "oauth_typescript_v1.mjs"),
    Client("oauth4webapi", "oauth_strict.mjs"),
    Client("openid-client", "oauth_openid_client.mjs"),
]


def run(tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """Every client; one that fails does not cost the others."""
    case = next(case for case in for_group(daemon.groups[GROUP], daemon.plan_id, False) if case.expect == "answer")
    for client in CLIENTS:
        # One group by its own URL; and the URL that all groups share, where the key decides.
        for way, url in (("group", daemon.url(GROUP)), ("shared URL", daemon.url())):
            judged(f"OAuth · {client.name} · {way}", report, daemon, case, lambda client=client, url=url: drive(client, tools, url, daemon, case))
    for protocol in ("2025-03-26", "2025-06-18"):
        judged(f"OAuth · as Dify, {protocol}", report, daemon, case, lambda protocol=protocol: as_dify(protocol, daemon, case))
    judged("OAuth · mcp-remote", report, daemon, case, lambda: by_mcp_remote(tools, daemon, case))
    suite(tools, daemon, report)


def judged(name: str, report: Report, daemon: Daemon, case: Case, work: Callable[[], dict[str, Any]]) -> None:
    try:
        seen = work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this client's failure
        seen = {"failure": f"{type(error).__name__}: {error}"}
    if not report.check(f"{name} · let in", [seen["failure"]] if seen.get("failure") else []):
        return
    for when in ("first", "second"):
        problems = [] if seen[when]["tools"] == daemon.groups[GROUP] else [f"the tools are {seen[when]['tools']}"]
        problems += judge.outcome(case, {"result": seen[when]["outcome"]})
        report.check(f"{name} · {'tools' if when == 'first' else 'tools after the refresh'}", problems)
    report.check(f"{name} · what it was given", given(seen))


def given(seen: dict[str, Any]) -> list[str]:
    problems = []
    client, answer = seen.get("client", {}), seen.get("answer", {})
    if client.get("client_secret"):
        problems.append("a public client was given a secret")
    if answer and not answer.get("iss"):
        problems.append(f"the authorization response names no issuer (RFC 9207): {sorted(answer)}")
    tokens = [token["access_token"] for token in seen.get("tokens", [])]
    if len(tokens) > 1 and len(set(tokens)) != len(tokens):
        problems.append("a refresh gave the same access token again")
    if any(token.startswith("mcp_key_") for token in tokens):
        problems.append("a token looks like a key")
    authorized = [line for line in seen.get("requests", []) if line.endswith("/authorize 200")]
    if len(authorized) > 1:
        problems.append("a person was asked more than once")
    # What the strict clients tried afterwards.
    expected = {"after_revocation": "401", "replayed_code": "invalid_grant", "after_replay": "401", "wrong_verifier": "invalid_grant"}
    if "after_revocation" in seen:
        for name, wanted in ((name, wanted) for name, wanted in expected.items() if name in seen):
            if wanted not in str(seen.get(name)) and not (wanted == "401" and "invalid_token" in str(seen.get(name))):
                problems.append(f"{name}: {seen.get(name)}; expected {wanted}")
    return problems


def drive(client: Client, tools: Toolchain, url: str, daemon: Daemon, case: Case) -> dict[str, Any]:
    plan = {"url": url, "key": daemon.keys[GROUP], "tool": case.tool, "arguments": case.arguments, "mode": client.mode}
    plan |= {"python": sys.executable, "browser": str(HERE / "checks" / "browser.py")}
    environment = {**tools.environment(), "NODE_PACKAGES": str(tools.node_modules)}
    done = subprocess.run(client.command(tools), input=json.dumps(plan), capture_output=True, text=True, timeout=SECONDS, cwd=tools.home, env=environment, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"failure": f"the adapter ended with {done.returncode}: {done.stderr[-2000:]}"}
    seen = json.loads(lines[-1])
    if seen.get("failure"):
        seen["failure"] = f"{seen['failure']} (requests: {seen.get('requests', seen.get('steps'))})"
    return seen


def as_dify(protocol: str, daemon: Daemon, case: Case) -> dict[str, Any]:
    provider = dify.Dify(daemon.url(GROUP), daemon.keys[GROUP], protocol)
    connected = provider.connect()
    first = provider.visit(case.tool, case.arguments)
    provider.refresh(connected)
    return {"first": first, "second": provider.visit(case.tool, case.arguments), "client": connected["client"]}


def by_mcp_remote(tools: Toolchain, daemon: Daemon, case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mcp-remote-", dir=tools.work) as directory:
        # The same callback both times: its registration is for that address.
        memory, port = Path(directory), mcp_remote.free_port()
        with mcp_remote.McpRemote(tools, daemon.url(GROUP), daemon.keys[GROUP], memory, port) as proxy:
            first = proxy.visit(case.tool, case.arguments)
            if proxy.consents != 1:
                return {"failure": f"a person was asked {proxy.consents} times"}
        before = mcp_remote.expire(memory)
        with mcp_remote.McpRemote(tools, daemon.url(GROUP), daemon.keys[GROUP], memory, port) as proxy:
            second = proxy.visit(case.tool, case.arguments)
            if proxy.consents:
                return {"failure": "a person was asked again, where a refresh was due"}
        if mcp_remote.remembered(memory).get("refresh_token") == before:
            return {"failure": "the refresh token was not rotated"}
        return {"first": first, "second": second}


def suite(tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """The conformance suite's own look at an authorization server."""
    port = mcp_remote.free_port()
    metadata = {"client_name": "conformance", "redirect_uris": [f"http://127.0.0.1:{port}/callback"], "token_endpoint_auth_method": "none"}
    headers = {"Content-Type": "application/json"}
    registered = dify.send("POST", endpoint(daemon, "registration_endpoint"), headers, json.dumps(metadata)).json()
    out = tools.work / "conformance-authorization"
    shutil.rmtree(out, ignore_errors=True)
    line = [*tools.node_package(SUITE), "authorization", "--url", daemon.mcp, "--client-id", registered.get("client_id", "?")]
    line += ["--resource", daemon.url(GROUP), "--port", str(port), "--verbose", "--output-dir", str(out)]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tools.home, env=tools.environment())
    said: list[str] = []
    assert process.stdout is not None
    # One that waits for ever is ended, so that reading what it says ends too.
    guard = threading.Timer(SECONDS, process.kill)
    guard.start()
    try:
        for text in process.stdout:
            said.append(text)
            url = re.search(r"(http://\S*[?&]code_challenge=[^\s\"']*)", text)
            if url:
                done = subprocess.run([sys.executable, str(HERE / "checks" / "browser.py"), url[1], "--follow"], capture_output=True, text=True, timeout=SECONDS, env={**tools.environment(), "STAND_IN_KEY": daemon.keys[GROUP]}, check=False)
                said.append(f"stand-in: {done.returncode} {done.stderr[-800:]}\n")
        status = process.wait(SECONDS)
    finally:
        guard.cancel()
        process.kill()
    problems = [*unchecked(out), *([f"the suite ended with {status}"] if status else [])]
    report.check("OAuth · conformance suite, authorization", [*problems, "".join(said)[-4000:]] if problems else [])


def unchecked(out: Path) -> list[str]:
    """What the suite did not find in order, or did not look at; each scenario has a directory named for it and for the time."""
    found = {file.parent.name: json.loads(file.read_text()) for file in sorted(out.glob("*/checks.json"))}
    problems = [f"{name} · {check['id']}: {check['status']}" for name, checks in found.items() for check in checks if check["status"] not in ("SUCCESS", "INFO")]
    for scenario in SCENARIOS:
        checks = [check for name, made in found.items() if scenario in name for check in made]
        if not any(check["status"] == "SUCCESS" for check in checks):
            problems.append(f"{scenario}: nothing was checked")
    return problems


def endpoint(daemon: Daemon, name: str) -> str:
    """An endpoint, as the server describes itself."""
    return dify.send("GET", f"{daemon.mcp}/.well-known/oauth-authorization-server").json()[name]
