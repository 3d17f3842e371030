"""The official conformance suite against the daemon: every scenario that applies to any server, at every revision.

The suite's other scenarios call fixtures (tools named `test_…`, resources, prompts) that no product offers; `fixtures`
runs them against an example that has them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from .daemon import Daemon
from .proxy import KeyProxy
from .report import Report
from .toolchain import Toolchain

SECONDS = 60

#: The suite, in two releases.
SUITE = "@modelcontextprotocol/conformance"
SUITE_0116 = "conformance-0116"

SCENARIOS: dict[str, list[str]] = {
    "2026-07-28": [
        "server-stateless",
        "tools-list",
        "resources-list",
        "prompts-list",
        "caching",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "http-header-validation",
        "sep-2164-resource-not-found",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "input-required-result-ignore-extra-params",
        "input-required-result-missing-input-response",
    ],
    "2025-11-25": [
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-session-lifecycle",
        "server-sse-polling",
        "server-sse-multiple-streams",
    ],
    "2025-06-18": ["server-initialize", "ping", "tools-list", "resources-list", "prompts-list", "server-session-lifecycle"],
}

#: Checks that need a fixture. They pass only by saying that they could not be made.
NEED_FIXTURES = {
    "server-stateless": {
        "sep-2575-server-rejects-undeclared-capability": "the tool test_missing_capability",
        "sep-2575-missing-capability-http-400": "the tool test_missing_capability",
        "sep-2575-http-server-no-independent-requests-on-stream": "the tool test_streaming_elicitation",
        "sep-2575-server-no-log-without-loglevel": "the tool test_logging_tool",
    },
}
NOT_TESTABLE = "Not testable: "

#: Checks that are not passed, and why that says nothing of this server.
NOT_APPLICABLE = {
    "sep-2575-server-sends-tools-list-changed-on-subscription": "the suite changes the list through a fixture that is not here",
    "sep-2575-server-sends-prompts-list-changed-on-subscription": "there are no prompts that could change",
    "sep-2549-resources-read-caching-hints": "there is no resource to read",
    "sep-2322-ignore-unexpected-params": "it calls the fixture test_input_required_result_elicitation",
    "sep-2322-missing-response-rerequests": "it calls the fixture test_input_required_result_elicitation",
    "server-sse-polling-session": "sessions are off here, as they are unless wanted",
    "server-sse-multiple-streams-session": "sessions are off here, as they are unless wanted",
}

#: Scenarios about sessions have nothing to check on a server that has none, and say so.
ABOUT_SESSIONS = {"server-session-lifecycle", "server-sse-polling", "server-sse-multiple-streams"}


def run(tools: Toolchain, daemon: Daemon, report: Report) -> None:
    """The URL of a group and the URL that all groups share are two endpoints: both are run."""
    summary: list[str] = []
    codes = list(daemon.groups)
    for code, path in ((codes[0], f"/server/{codes[0]}/mcp"), (codes[-1], "/mcp")):
        with KeyProxy(daemon.mcp, daemon.keys[code]) as proxy:
            for revision, scenarios in SCENARIOS.items():
                for scenario in scenarios:
                    summary.append(check(tools, report, proxy.url + path, f"{revision} · {path}", revision, scenario))
    print("\nscenarios:", *summary, *(f"not applicable: {check}: {why}" for check, why in NOT_APPLICABLE.items()), sep="\n  ", flush=True)


def check(tools: Toolchain, report: Report, url: str, label: str, revision: str, scenario: str) -> str:
    out = tools.work / "conformance"
    shutil.rmtree(out, ignore_errors=True)
    line = [*tools.node_package(SUITE), "server", "--url", url, "--scenario", scenario, "--spec-version", revision, "--output-dir", str(out)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=tools.home, env=tools.environment(), check=False)
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, said = -1, f"nothing came of it within {SECONDS} s"
    files = list(out.glob("*/checks.json"))
    checks: list[dict[str, Any]] = json.loads(files[0].read_text()) if files else []
    failed = list(problems(scenario, checks)) if checks else [f"the scenario left no result: {said[-1500:]}"]
    # Failures that are excused are failures to the suite.
    expected = int(any(one["status"] == "FAILURE" for one in checks))
    failed += [f"the suite ended with {code} instead of {expected}: {said[-1500:]}"] if code != expected else []
    counts = {status: sum(one["status"] == status for one in checks) for status in ("SUCCESS", "FAILURE", "WARNING", "SKIPPED")}
    told = ", ".join(f"{count} {status.lower()}" for status, count in counts.items() if count) or "not applicable"
    passed = report.check(f"conformance · {label} · {scenario}", failed, note=told)
    return f"{'passed' if passed else 'FAILED'}  {revision}  {scenario}: {told}  ({label.split(' · ')[1]})"


def problems(scenario: str, checks: list[dict[str, Any]]) -> Iterator[str]:
    needs = NEED_FIXTURES.get(scenario, {})
    for one in checks:
        why = str(one.get("errorMessage", ""))
        excused = one["id"] in needs and why.startswith(NOT_TESTABLE)
        excused |= one["status"] != "FAILURE" and one["id"] in NOT_APPLICABLE
        if one["status"] not in ("SUCCESS", "INFO") and not excused:
            yield f"{one['id']}: {one['status']} {why} {json.dumps(one.get('details'), ensure_ascii=False)}"
    if scenario not in ABOUT_SESSIONS and not any(one["status"] == "SUCCESS" for one in checks):
        yield f"nothing was checked: {checks}"
