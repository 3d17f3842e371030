#!/usr/bin/env python3
"""Runs real, unmodified MCP clients against a built binary, and says what each saw.

    python3 tests/clients/run.py --binary target/debug/anmei-mcp [--example target/debug/examples/conformance_server] [--only NAME …]

MCP Inspector's CLI (both eras, --strict), the Python SDK 2.x and 1.x and the TypeScript SDK 1.x list and call every tool
of every group over HTTP, HTTP+SSE and stdio, and hold sessions in which they are told of changes; the OAuth clients of the
SDKs, mcp-remote, oauth4webapi, openid-client and the way of Dify go from a 401 to a refreshed token. The conformance suite runs every
scenario that applies to any server against the daemon, in every revision, and all of its scenarios against its fixtures,
which the example conformance_server puts behind the same endpoint. What the clients need is installed below
target/clients at the versions pinned beside this file: it takes Python 3.11, npm and a package registry for each. The last
line is `N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True

from checks import conformance, fixtures, hosts, inspector, oauth, sdks, sessions, toolchain  # noqa: E402
from checks.daemon import Daemon  # noqa: E402
from checks.report import Report  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "debug" / "anmei-mcp", help="what to check [default: target/debug/anmei-mcp]")
    parser.add_argument("--example", type=Path, help="the suite's fixtures [default: examples/conformance_server beside the binary]")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "clients", help="where clients are installed [default: target/clients]")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only stages whose title contains this (repeatable)")
    return parser.parse_args()


def main() -> int:
    # Told to stop, it still stops the daemon.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    binary = options.binary.resolve()
    if not binary.is_file():
        raise SystemExit(f"there is no {binary}; build it first")
    example = (options.example or binary.parent / "examples" / "conformance_server").resolve()
    tools = toolchain.install(options.work.resolve())
    report = Report()
    stages = [
        ("MCP Inspector", inspector.run),
        ("hosts", hosts.run),
        *((sdk.name, partial(sdks.run, sdk)) for sdk in sdks.SDKS),
        ("sessions", sessions.run),
        ("OAuth clients", oauth.run),
        ("conformance suite", conformance.run),
        ("conformance fixtures", partial(fixtures.run, example)),
    ]
    wanted = [stage for stage in stages if not options.only or any(name.lower() in stage[0].lower() for name in options.only)]
    with tempfile.TemporaryDirectory(prefix="anmei-mcp-clients-") as directory, Daemon(binary, Path(directory)) as daemon:
        for title, work in wanted:
            report.stage(title, partial(work, tools, daemon, report))
        report.check("the daemon stops in order, and its log is clean", daemon.stop())
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
