"""The process is ended: at random, in the midst of a system call, or in good order."""

from __future__ import annotations

import random
import shutil
import signal
import time

from rig.client import Ledger, Load, Wire, post
from rig.daemon import Daemon, Died
from rig.judge import Verdict, recover
from rig.report import Result
from rig.tools import strace

from . import bench


def k1_kill_at_random(site: bench.Site) -> Result:
    """kill -9 after 50 to 1 500 ms of 50 registrations a second, 50 times; one ledger over all of them."""
    moments = random.Random(site.seed)
    work = site.work / "k1"
    ledger, slowest, cycles = Ledger(site.file(work)), 0.0, site.times(50)
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        for _ in range(cycles):
            slowest = max(slowest, daemon.start())
            with Load(daemon.hook, ledger):
                time.sleep(moments.uniform(0.05, 1.5))
                daemon.kill()
        verdict = recover(daemon, ledger)
    verdict.seconds = max(verdict.seconds, slowest)
    return Result.of("K1 kill -9 at random", verdict, f"{cycles} kills, {len(ledger.sent)} sent, slowest start {slowest:.2f} s")


def k3_kill_in_a_call(site: bench.Site) -> Result:
    """SIGKILL at the N-th sync, write to the database or answer, for 40 N; every fifth on an empty directory."""
    total, hits, cases = Verdict(), 0, site.times(40)
    for number in range(cases):
        call = ("fdatasync,fsync", "pwrite64", "fdatasync,fsync", "sendto,writev")[number % 4]
        fresh = number % 5 == 0
        # Early calls of a first start make the schema; a prepared directory comes to registrations at once.
        when = 1 + (number // 4) * (3 if call == "pwrite64" else 1)
        work = site.work / f"k3-{number}"
        ledger = Ledger(site.file(work))
        with Daemon(site.binary, work, None if fresh else site.copy(work)) as daemon:
            try:
                daemon.start(strace(f"{call}:signal=KILL:when={when}"))
                hits += until_dead(daemon, ledger)
            except Died:
                hits += 1
            daemon.kill()
            total += recover(daemon, ledger)
        shutil.rmtree(work)
    if hits < cases * 3 // 4:
        total.findings.append(f"only {hits} of {cases} kills were reached: the drill is blind")
    return Result.of("K3 kill in a system call", total, f"{hits} of {cases} reached")


def until_dead(daemon: Daemon, ledger: Ledger, most: int = 40) -> bool:
    """Registers one after the other until the daemon is gone. Whether it came to that."""
    wire = Wire(daemon.hook)
    for _ in range(most):
        name = ledger.next()
        answer = post(wire, name)
        ledger.note(name, answer)
        # The tool above the daemon ends a moment after it.
        if answer.status == 0 and daemon.ended(0.3) is not None:
            break
    wire.close()
    return daemon.process is None


def g1_soft_stop(site: bench.Site) -> Result:
    """SIGTERM under load: exit 0 within 10 s, and nothing that was promised is gone."""
    work = site.work / "g1"
    ledger, codes, slowest = Ledger(site.file(work)), [], 0.0
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        for _ in range(5):
            daemon.start()
            with Load(daemon.hook, ledger):
                time.sleep(1.0)
                code, took = daemon.stop()
            codes.append(code)
            slowest = max(slowest, took)
        verdict = recover(daemon, ledger)
    if codes != [0] * 5 or slowest > 10:
        verdict.findings.append(f"exit codes {codes}, the slowest stop took {slowest:.1f} s")
    return Result.of("G1 SIGTERM under load", verdict, f"exit codes {codes}, slowest stop {slowest:.2f} s")


