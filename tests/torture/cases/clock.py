"""The clock jumps."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rig.client import Ledger, Load
from rig.daemon import Daemon
from rig.judge import Verdict, drain, recover
from rig.report import Result

from . import bench

LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1")
IDLE_SECONDS = 3.0


def c1_clock_jumps(site: bench.Site) -> Result:
    """An hour forward, a day back and forward again, under load: nothing is lost, stuck, or busy for nothing."""
    work = site.work / "c1"
    ledger, clock = Ledger(site.file(work)), work / "clock"
    clock.write_text("+0")
    extra = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    extra["LD_PRELOAD"] = next((path for path in LIBRARIES if Path(path).exists()), LIBRARIES[0])
    busiest, stuck = 0.0, Verdict()
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        daemon.start(extra=extra)
        for offset in ("+3600", "-86400", "+120"):
            with Load(daemon.hook, ledger):
                time.sleep(1.0)
                # Renamed into place: the daemon never reads half an offset.
                (work / "new").write_text(offset)
                (work / "new").rename(clock)
                time.sleep(1.0)
            drain(daemon, stuck, seconds=15, when=f"after a jump to {offset} s: ")
            busiest = max(busiest, idle_share(daemon))
        statuses = ledger.statuses()
        verdict = recover(daemon, ledger, started=True)
    verdict += stuck
    if busiest > 0.05:
        verdict.findings.append(f"idle, it used {busiest:.0%} of a processor")
    if set(statuses) != {202}:
        verdict.findings.append(f"while the clock jumped it answered {statuses}")
    return Result.of("C1 clock jumps", verdict, f"+1 h, -1 d, +2 min; answers {statuses}; idle {busiest:.1%} of a processor")


def idle_share(daemon: Daemon) -> float:
    """Share of one processor that the daemon uses while nobody asks anything."""
    before = ticks(daemon.pid)
    time.sleep(IDLE_SECONDS)
    return (ticks(daemon.pid) - before) / os.sysconf("SC_CLK_TCK") / IDLE_SECONDS


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
