"""The power fails: what the disk had at that moment is all there is."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from pathlib import Path

from rig.client import Ledger, Load, one
from rig.daemon import Daemon, Died
from rig.judge import Verdict, recover
from rig.report import Result
from rig.tools import image, mounted, strace

from . import bench


def p1_power_loss(site: bench.Site) -> list[Result]:
    """The daemon is stopped at a random moment and its disk copied as it is, 20 times; the copy must have all that was
    promised. Two controls must lose some, or the case could not see a loss: a daemon whose commits do not wait for the
    disk (synchronous=NORMAL), and one whose syncs do nothing."""
    cycles, control = site.times(20), 4
    honest = lose_power(site, "p1", cycles, None)
    normal = lose_power(site, "p1-normal", cycles, None, {"ANMEI_MCP_DRILL": "synchronous.normal"})
    blind = lose_power(site, "p1-control", control, strace("fdatasync,fsync:retval=0"))
    relaxed = Result("P1 control: NORMAL", normal.acked, recovery=normal.seconds, figures=f"{normal.lost} of {normal.acked} lost, as they must be")
    if normal.lost == 0:
        relaxed.findings.append("nothing was lost with synchronous=NORMAL: the case is blind")
    losses = Result("P1 control: syncs that lie", blind.acked, recovery=blind.seconds, figures=f"{blind.lost} of {blind.acked} lost, as they must be")
    if blind.lost == 0:
        losses.findings.append("nothing was lost although nothing was synced: the case is blind")
    return [Result.of("P1 power loss", honest, f"{cycles} cuts"), relaxed, losses]


def lose_power(site: bench.Site, name: str, cycles: int, prefix: list[str] | None, extra: dict[str, str] | None = None) -> Verdict:
    moments, total = random.Random(site.seed), Verdict()
    work = site.work / name
    ledgers = site.file(work)
    template = work / "template.img"
    image(template, site.prepared)
    for number in range(cycles):
        here = work / str(number)
        disk, snapshot, ledger = here / "disk.img", here / "snapshot.img", Ledger(ledgers)
        here.mkdir(parents=True)
        copy(template, disk)
        with mounted(["-o", "loop", str(disk)], here / "disk") as root, Daemon(site.binary, here, root / "data") as daemon:
            daemon.start(prefix, extra)
            with Load(daemon.hook, ledger, per_second=400):
                time.sleep(moments.uniform(0.2, 0.9))
                daemon.send_signal(signal.SIGSTOP)
                copy(disk, snapshot)
                daemon.kill()
        total += after_the_cut(site, here, snapshot, ledger, control=bool(prefix or extra))
        for left in (disk, snapshot):
            left.unlink()
    return total


def after_the_cut(site: bench.Site, here: Path, snapshot: Path, ledger: Ledger, control: bool) -> Verdict:
    """What the disk had, started anew. A disk that was lied to may have anything: there, only the loss counts."""
    with mounted(["-o", "loop", str(snapshot)], here / "snapshot") as root, Daemon(site.binary, here / "after", root / "data") as daemon:
        try:
            return recover(daemon, ledger)
        except Died as died:
            everything = Verdict(acked=len(ledger.promised), lost=len(ledger.promised))
            if not control:
                everything.findings.append(str(died))
            return everything


def copy(image_file: Path, to: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(image_file), str(to)], check=True)


# A line of strace -f -ttt -y: thread, time, and a call, whole, begun or resumed.
LINE = re.compile(r"^(\d+)\s+([\d.]+) (.*)$")


def p2_order(site: bench.Site) -> Result:
    """In the kernel's own record: the last write to the log, then its sync, then the first byte of the 202."""
    work = site.work / "p2"
    ledger, trace, wanted = Ledger(site.file(work)), work / "trace.txt", 10
    calls = "fsync,fdatasync,pwrite64,sendto,writev,write,recvfrom,read"
    prefix = ["strace", "-f", "-ttt", "-y", "-qq", "-s", "64", "-o", str(trace), "-e", f"trace={calls}"]
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        daemon.start(prefix)
        for _ in range(wanted):
            one(daemon.hook, ledger)
            time.sleep(0.05)
        daemon.stop()
        right, gaps = in_order(trace.read_text(errors="replace"))
        verdict = recover(daemon, ledger)
    if right != wanted:
        verdict.findings.append(f"{right} of {wanted} answers 202 came after write and sync, in this order")
    slowest = max(gaps, default=0.0) * 1000
    return Result.of("P2 sync before 202", verdict, f"{right} of {wanted} in order; sync to answer at most {slowest:.1f} ms")


def in_order(trace: str) -> tuple[int, list[float]]:
    """Requests whose 202 followed a sync that followed a write that followed the request; seconds from sync to 202."""
    request = write = sync_begun = synced = None
    pending: dict[str, str] = {}
    right, gaps = 0, []
    for line in trace.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        thread, at, call = found[1], float(found[2]), found[3]
        begun = not call.startswith("<...")
        name = pending.get(thread, "") if not begun else call
        if call.endswith("<unfinished ...>"):
            pending[thread] = call
        ended = not call.endswith("<unfinished ...>")
        if "POST /hooks/registration" in call:
            request, write, sync_begun, synced = at, None, None, None
        elif request is None:
            continue
        elif name.startswith("pwrite64") and "-wal>" in name and begun:
            # A write after the sync that counts belongs to somebody else's commit.
            if synced is None:
                write, sync_begun = at, None
        elif name.startswith(("fdatasync", "fsync")) and "-wal>" in name:
            if begun and write is not None and synced is None:
                sync_begun = at
            if ended and sync_begun is not None and synced is None:
                synced = at
        elif begun and "HTTP/1.1 202" in call:
            if synced is not None:
                right += 1
                gaps.append(at - synced)
            request = None
    return right, gaps
