#!/usr/bin/env python3
"""Hurts the daemon in every way a machine can, and counts what is lost.

    sudo python3 tests/torture/run.py --binary target/release/anmei-mcp [--only K1 …] [--scale 0.2]

K1 and K3 kill it, P1 and P2 cut the power, D1 to D4 fill, limit, break and lock its disk, C1 moves its clock, G1 stops it
in good order. After each of these, everything that was answered 202 is sent again and must be known under the same id, and
`anmei-mcp job verify` must find nothing. H1 and H2 crowd it, H4 hides requests in others behind a proxy. Standard library
only; needs root, loop and tmpfs mounts, strace, prlimit, mkfs.ext4, libfaketime, haproxy and a C compiler. The last line is
`N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

from cases import bench, clock, crowd, disk, kills, power, proxy  # noqa: E402
from rig import daemon, report, tools  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

# Name, what it does, whether it mounts file systems.
CASES = [
    ("K1", kills.k1_kill_at_random, False),
    ("K3", kills.k3_kill_in_a_call, False),
    ("G1", kills.g1_soft_stop, False),
    ("P1", power.p1_power_loss, True),
    ("P2", power.p2_order, False),
    ("D1", disk.d1_disk_full, True),
    ("D2", disk.d2_file_limit, False),
    ("D3", disk.d3_io_errors, False),
    ("D4", disk.d4_locked, False),
    ("C1", clock.c1_clock_jumps, False),
    ("H1", crowd.h1_slow_crowd, False),
    ("H2", crowd.h2_idle_crowd, False),
    ("H4", proxy.h4_smuggling, False),
]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "anmei-mcp", help="what to hurt [default: target/release/anmei-mcp]")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="only this case, such as K1 (repeatable)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the repetitions [default: 1]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random moments [default: 1]")
    parser.add_argument("--keep", action="store_true", help="leave the scratch directory behind")
    return parser.parse_args()


def hurt(site: bench.Site, name: str, work) -> list[report.Result]:
    began = time.monotonic()
    try:
        results = work(site)
    except Exception as error:  # A case that breaks is a case that failed; the others still run.
        results = report.Result(f"{name} broke", findings=[f"{type(error).__name__}: {error}", *traceback.format_exc().splitlines()[-6:]])
    results = results if isinstance(results, list) else [results]
    print(f"{name}: {'ok' if all(result.good for result in results) else 'FAILED'} ({time.monotonic() - began:.0f} s)", flush=True)
    return results


def main() -> int:
    # Told to stop, it still unmounts and kills what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    binary = options.binary.resolve()
    if not binary.is_file():
        raise SystemExit(f"there is no {binary}; build it first")
    missing = [tool for tool in ("strace", "prlimit", "mkfs.ext4", "haproxy", "cc") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"{', '.join(missing)} not found: install strace, util-linux, e2fsprogs, haproxy and gcc")
    wanted = [case for case in CASES if not options.only or case[0] in options.only]
    work = Path(tempfile.mkdtemp(prefix="anmei-mcp-torture-"))
    results, skipped = [], []
    try:
        unmountable = tools.can_mount(work)
        site = bench.Site(binary, work, daemon.prepared(binary, work / "prepared"), options.seed, options.scale)
        for name, case, mounts in wanted:
            if mounts and unmountable:
                skipped.append(name)
                continue
            results += hurt(site, name, case)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    print()
    report.show(results)
    for name in skipped:
        print(f"\n!!! {name} WAS SKIPPED: this machine does not mount file systems ({unmountable})")
    failed = sum(not result.good for result in results)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
