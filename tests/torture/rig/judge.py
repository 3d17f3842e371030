"""What must be true afterwards: everything promised is known under the same id, done, and once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .client import Ledger, Wire, post
from .daemon import Daemon

DRAIN_SECONDS = 90


@dataclass
class Verdict:
    """The figures of one recovery."""

    acked: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)

    def __iadd__(self, other: Verdict) -> Verdict:
        self.acked += other.acked
        self.lost += other.lost
        self.doubled += other.doubled
        self.seconds = max(self.seconds, other.seconds)
        self.findings += other.findings
        return self

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.findings)


def recover(daemon: Daemon, ledger: Ledger, started: bool = False) -> Verdict:
    """Starts the daemon again unless it runs, sends everything again twice, waits until it is done, and verifies."""
    verdict = Verdict(acked=len(ledger.promised))
    if not started:
        verdict.seconds = daemon.start()
    resend(daemon, ledger, verdict)
    drain(daemon, verdict)
    resend(daemon, ledger, verdict)
    verify(daemon, verdict)
    verdict.findings += [f"the log tells of a panic: {line[:200]}" for line in daemon.panics()[:1]]
    return verdict


def resend(daemon: Daemon, ledger: Ledger, verdict: Verdict) -> None:
    """A 202 that is sent again is a 200 with the same id, or it was lost."""
    parts = [ledger.sent[n::8] for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pair for part in pool.map(lambda names: _resend(daemon.hook, names), parts) for pair in part]
    for name, answer in answers:
        promised = ledger.promised.get(name)
        if answer.status not in (200, 202):
            verdict.findings.append(f"{name}: the fresh daemon answered {answer.status}")
        elif promised is None:
            ledger.promised[name] = answer.registration
        elif answer.status == 202:
            verdict.lost += 1
            ledger.promised[name] = answer.registration
        elif answer.registration != promised:
            verdict.doubled += 1
            verdict.findings.append(f"{name} was promised as {promised} and is now {answer.registration}")


def _resend(hook: str, names: list[str]) -> list[tuple[str, object]]:
    wire = Wire(hook)
    answers = [(name, post(wire, name)) for name in names]
    wire.close()
    return answers


def drain(daemon: Daemon, verdict: Verdict, seconds: float = DRAIN_SECONDS, when: str = "") -> None:
    """Waits until nothing is left to do."""
    until = time.monotonic() + seconds
    left: object = None
    while time.monotonic() < until:
        report = said(daemon)
        left = report.get("backlog", report.get("error"))
        if left == {"runs": 0, "jobs": 0}:
            return
        time.sleep(0.2)
    verdict.findings.append(f"{when}not done after {seconds:.0f} s: {left}")


def verify(daemon: Daemon, verdict: Verdict) -> None:
    """The daemon's own proof over its rows."""
    report = said(daemon, "--drained")
    if "checks" not in report:
        verdict.findings.append(f"job verify said nothing: {report}")
    verdict.findings += [f"{check['name']}: {finding}" for check in report.get("checks", []) for finding in check["findings"]]


def said(daemon: Daemon, *flags: str) -> dict:
    ended = daemon.run("job", "verify", "--json", *flags)
    try:
        return json.loads(ended.stdout)
    except ValueError:
        return {"error": ended.stderr.strip() or f"exit code {ended.returncode}"}
