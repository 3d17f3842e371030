"""The disk is full, limited, or fails; the database is locked."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from dataclasses import astuple
from pathlib import Path

from rig.client import Answer, Ledger, Load, Wire, get, one, post
from rig.daemon import Daemon, Died
from rig.judge import Verdict, recover
from rig.report import Result
from rig.tools import mounted, strace

from . import bench
from .kills import until_dead

STORED = (200, 202)


def d1_disk_full(site: bench.Site) -> Result:
    """8 MiB, filled up: 503 with Retry-After and no 202; reads go on; accepts again within 5 s of space, by itself."""
    work = site.work / "d1"
    ledger, disk = Ledger(site.file(work)), work / "disk"
    with mounted(["-t", "tmpfs", "-o", "size=8m", "tmpfs"], disk):
        shutil.copytree(site.prepared, disk / "data")
        with Daemon(site.binary, work, disk / "data") as daemon:
            daemon.start()
            first = one(daemon.hook, ledger)
            fill(disk / "ballast")
            settled = until_refused(daemon, ledger)
            full = [one(daemon.hook, ledger) for _ in range(40)]
            reads = [get(daemon.hook, "/healthz"), get(daemon.hook, f"/hooks/registration/{first.registration}")]
            (disk / "ballast").unlink()
            freed = until_accepted(daemon, ledger)
            with Load(daemon.hook, ledger):
                time.sleep(1.0)
            verdict = recover(daemon, ledger, started=True)
    verdict.seconds = freed
    slowest = max(answer.seconds for answer in full)
    refused = [answer for answer in full if answer.status == 503]
    check(verdict, settled, "the daemon never came to refuse, although the disk was full")
    check(verdict, len(refused) == len(full), f"full, it answered {sorted({answer.status for answer in full})}")
    check(verdict, all(answer.retry_after for answer in refused), "a 503 had no Retry-After")
    check(verdict, reads == [200, 200], f"full, /healthz and a read answered {reads}")
    check(verdict, freed <= 5, f"it took {freed:.1f} s to accept again")
    return Result.of("D1 disk full", verdict, f"{len(refused)} of {len(full)} refused while full, slowest {slowest * 1000:.0f} ms; accepts {freed:.2f} s after space")


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def until_refused(daemon: Daemon, ledger: Ledger) -> bool:
    """Registers until twenty in a row are refused: until then the log has room from earlier."""
    in_a_row = 0
    for _ in range(3000):
        in_a_row = in_a_row + 1 if one(daemon.hook, ledger).status == 503 else 0
        if in_a_row == 20:
            return True
    return False


def until_accepted(daemon: Daemon, ledger: Ledger, patience: float = 30.0) -> float:
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if one(daemon.hook, ledger).status == 202:
            break
        time.sleep(0.05)
    return time.monotonic() - began


def d2_file_limit(site: bench.Site) -> Result:
    """RLIMIT_FSIZE is reached: no death by SIGXFSZ, 503, and a start without the limit has everything."""
    work = site.work / "d2"
    ledger, data = Ledger(site.file(work)), site.copy(work)
    limit = (data / "anmei-mcp.sqlite3").stat().st_size + 256 * 1024
    with Daemon(site.binary, work, data) as daemon:
        daemon.start(["prlimit", f"--fsize={limit}"])
        with Load(daemon.hook, ledger, per_second=200):
            time.sleep(4)
            code = None if daemon.alive() else daemon.ended(1)
        daemon.kill()
        verdict = recover(daemon, ledger)
    statuses = ledger.statuses()
    check(verdict, code is None or code == 1, f"at the limit it ended with {code}")
    check(verdict, 503 in statuses or code == 1, f"the limit was never felt: {statuses}")
    return Result.of("D2 file size limit", verdict, f"limit {limit >> 10} KiB; answers {statuses}; exit {code}")


def d3_io_errors(site: bench.Site) -> Result:
    """The N-th sync, write or read fails: no 202 without its row, a non-zero exit or 503, and a clean next start."""
    total, felt, zero = Verdict(), 0, 0
    kinds = [("fdatasync", "error=EIO:when={}", (2, 3, 5, 8, 13)), ("pwrite64", "error=ENOSPC:when={}+", (4, 9, 20, 40, 80))]
    kinds += [("pwrite64", "error=EIO:when={}", (6, 15, 33)), ("pread64", "error=EIO:when={}+", (3, 12, 30, 60, 120))]
    for call, error, numbers in kinds:
        for number in numbers:
            work = site.work / f"d3-{call}-{number}-{len(error)}"
            ledger = Ledger(site.file(work))
            with Daemon(site.binary, work, site.copy(work)) as daemon:
                code = hurt(daemon, ledger, strace(f"{call}:{error.format(number)}"))
                zero += code == 0
                felt += code not in (None, 0) or any(answer.status not in STORED for answer in ledger.answers)
                daemon.kill()
                total += recover(daemon, ledger)
            shutil.rmtree(work)
    check(total, zero == 0, f"{zero} times it ended with 0 although its disk had failed")
    check(total, felt >= 8, f"only {felt} faults were felt: the case is blind")
    return Result.of("D3 I/O errors", total, f"{felt} of 18 faults felt")


def hurt(daemon: Daemon, ledger: Ledger, prefix: list[str]) -> int | None:
    """The exit code, if it ended by itself."""
    try:
        daemon.start(prefix)
    except Died:
        return 1
    # A failed disk ends the daemon by itself; what it answers until then counts.
    until_dead(daemon, ledger, most=25)
    return daemon.exit_code if daemon.process is None else daemon.ended(1.0)


def d4_locked(site: bench.Site) -> Result:
    """Somebody else holds the write lock for 1, 4 and 10 s; and a second daemon wants the same directory."""
    work = site.work / "d4"
    ledger, figures = Ledger(site.file(work)), []
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        daemon.start()
        one(daemon.hook, ledger)
        problems: list[str] = []
        for held in (1.0, 4.0, 10.0):
            answer = behind_a_lock(daemon, ledger, held)
            figures.append(f"{held:.0f} s: {answer.status} after {answer.seconds:.2f} s")
            # SQLite's busy handler looks every 100 ms at last; beyond its 5 s the hook must say so.
            good = answer.status == 202 and answer.seconds <= held + 0.5 if held < 5 else answer.status == 503 and answer.seconds < held
            if not good:
                problems.append(f"behind a lock of {held:.0f} s: {answer}")
            if answer.status == 503 and not answer.retry_after:
                problems.append("a 503 had no Retry-After")
        second = subprocess.run(daemon.command("serve", "--quiet"), capture_output=True, text=True, timeout=30, check=False)
        if second.returncode == 0 or "already" not in second.stderr:
            problems.append(f"a second daemon ended with {second.returncode}: {second.stderr[-200:]}")
        verdict = recover(daemon, ledger, started=True)
    verdict.findings += problems
    return Result.of("D4 locked by another", verdict, "; ".join(figures) + f"; second daemon: exit {second.returncode}")


def behind_a_lock(daemon: Daemon, ledger: Ledger, seconds: float) -> Answer:
    """A registration that arrives just after the lock was taken. The lock is SQLite's own byte of the shared index (120:
    the writer's), taken without SQLite, so that nothing but the lock is tried."""
    time.sleep(0.5)
    with (daemon.data / "anmei-mcp.sqlite3-shm").open("r+b") as index:
        fcntl.lockf(index, fcntl.LOCK_EX, 1, 120)
        pid = os.fork()
        if pid == 0:
            # A lock is its process's own: the parent holds it, and this child asks.
            wire = Wire(daemon.hook)
            answer = post(wire, f"locked_{seconds:.0f}")
            (daemon.work / "locked.json").write_text(json.dumps(astuple(answer)))
            os._exit(0)
        time.sleep(seconds)
        fcntl.lockf(index, fcntl.LOCK_UN, 1, 120)
    os.waitpid(pid, 0)
    answer = Answer(*json.loads((daemon.work / "locked.json").read_text()))
    name = f"locked_{seconds:.0f}"
    ledger.sent.append(name)
    ledger.note(name, answer)
    return answer


def check(verdict: Verdict, holds: bool, otherwise: str) -> None:
    if not holds:
        verdict.findings.append(otherwise)
