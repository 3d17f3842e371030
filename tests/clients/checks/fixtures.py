"""The whole official conformance suite, against its fixtures behind our own gate and endpoint (examples/conformance_server).

Every scenario of every revision that the suite knows is run, with the fast lane and without. A run passes when nothing
failed, when the suite says so too, and when it made at least as many checks as are written here: a run that checked
nothing is no pass.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conformance import SUITE, SUITE_0116
from .daemon import Daemon, environment
from .report import Report
from .toolchain import Toolchain

SECONDS = 240
START_SECONDS = 60

Checks = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Run:
    """One run of the suite: which one, what of it, and what it must come to at least."""

    name: str
    package: str
    options: tuple[str, ...]
    scenarios: int
    checks: int


RUNS = [
    Run("2026-07-28", SUITE, ("--requirements", "2026-07-28"), scenarios=50, checks=196),
    Run("2025-11-25", SUITE, ("--requirements", "2025-11-25"), scenarios=33, checks=82),
    Run("2025-06-18", SUITE, ("--suite", "all", "--spec-version", "2025-06-18"), scenarios=27, checks=56),
    Run("suite 0.1.16", SUITE_0116, ("--suite", "all"), scenarios=32, checks=45),
]

#: Checks that are not made, and why that is right.
NOT_APPLICABLE = {
    "server-sse-streams-functional": "it looks at answers that are streams; ours are JSON unless something is said before them, which the suite calls optional",
    "tasks-status-notifications": "the suite skips it itself: its harness still looks for task notifications where they no longer are",
}


class FixtureServer:
    """Runs the example while in use as a context; says at the end what was not in order."""

    def __init__(self, binary: Path, home: Path, *options: str) -> None:
        self._line = [str(binary), *options]
        self._log = home / "conformance_server.log"
        self._home = home
        self._process: subprocess.Popen[str] | None = None
        self.urls: dict[str, str] = {}
        self.problems: list[str] = []

    def __enter__(self) -> FixtureServer:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._home, env=environment(self._home)
            )
        # One that never speaks is ended, so that reading its first line ends too.
        guard = threading.Timer(START_SECONDS, self._process.kill)
        guard.start()
        first = self._process.stdout.readline() if self._process.stdout else ""
        guard.cancel()
        if not first:
            self._process.wait(10)
            raise RuntimeError(f"the example did not start: {self._log.read_text()[-2000:]}")
        self.urls = json.loads(first)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(10)
        said = self._log.read_text()
        self.problems = [f"it ended with {code}: {said[-1000:]}"] if code else []
        self.problems += [line for line in said.splitlines() if "panicked" in line]


def run(binary: Path, tools: Toolchain, _: Daemon, report: Report) -> None:
    """Every run against the URL that all groups share with the fast lane, and against the URL of a group without it."""
    if not binary.is_file():
        raise RuntimeError(f"there is no {binary}; build it with `cargo build --example conformance_server`")
    summary: list[str] = []
    for lane, options, url in (("fast lane", (), "url"), ("rmcp alone", ("--no-fast-lane",), "group")):
        with FixtureServer(binary, tools.home, *options) as server:
            for one in RUNS:
                summary.append(judge(one, lane, tools, server.urls[url], report))
        report.check(f"conformance fixtures · {lane} · the example stops in order", server.problems)
    print("\nfixtures:", *summary, *(f"not applicable: {check}: {why}" for check, why in NOT_APPLICABLE.items()), sep="\n  ", flush=True)


def judge(one: Run, lane: str, tools: Toolchain, url: str, report: Report) -> str:
    """Makes one run, and says what came of it."""
    out = tools.work / "conformance-fixtures"
    shutil.rmtree(out, ignore_errors=True)
    line = [*tools.node_package(one.package), "server", "--url", url, *one.options, "--output-dir", str(out)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=tools.home, env=tools.environment(), check=False)
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, said = -1, f"the suite did not end within {SECONDS} s"
    found = results(out)
    counts = Counter(check["status"] for checks in found.values() for check in checks)
    failed = [*problems(found), *shortfalls(one, found, counts)]
    failed += [f"the suite ended with {code}: {said[-1500:]}"] if code else []
    told = ", ".join(f"{count} {status.lower()}" for status, count in sorted(counts.items()))
    passed = report.check(f"conformance fixtures · {one.name} · {lane}", failed, note=f"{len(found)} scenarios: {told}")
    return f"{'passed' if passed else 'FAILED'}  {one.name}, {lane}: {len(found)} scenarios: {told}"


def results(out: Path) -> Checks:
    """The checks of each scenario; its directory is named for it and for the time."""
    return {file.parent.name: json.loads(file.read_text()) for file in sorted(out.glob("*/checks.json"))}


def problems(found: Checks) -> Iterator[str]:
    """Checks that were not passed, without a reason that is known."""
    for scenario, checks in found.items():
        for check in checks:
            if check["status"] not in ("SUCCESS", "INFO") and check["id"] not in NOT_APPLICABLE:
                yield f"{scenario} · {check['id']}: {check['status']} {check.get('errorMessage', '')} {json.dumps(check.get('details'))}"


def shortfalls(one: Run, found: Checks, counts: Counter[str]) -> Iterator[str]:
    """Whether too little was checked for the outcome to mean anything."""
    if len(found) < one.scenarios:
        yield f"{len(found)} scenarios left a result; at least {one.scenarios} must"
    if counts["SUCCESS"] < one.checks:
        yield f"{counts['SUCCESS']} checks passed; at least {one.checks} must"
