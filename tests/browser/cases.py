"""What the scripts here have in common: where the browser is, cases that do not hide each other, and the last line."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from chromium import Chromium, Failed
from clinic import ROOT, Site

#: Where people find what the pages look like.
SCREENSHOTS = ROOT / "target" / "screenshots"

#: Takes the browser's command and the binary; returns how many cases passed and how many failed.
Script = Callable[[str, Path], tuple[int, int]]


def check(holds: object, what: str) -> None:
    if not holds:
        raise Failed(what)


def each(binary: Path, cases: dict[str, Callable[[Site], None]]) -> tuple[int, int]:
    """Runs cases by name, each with a clinic of its own: one that breaks must not hide the others."""
    failed = 0
    for name, case in cases.items():
        work = Path(tempfile.mkdtemp(prefix="anmei-mcp-browser-"))
        try:
            with Site(binary, work) as site:
                case(site)
            print(f"{name}: ok", flush=True)
        except Exception:  # Whatever it is, it is this case's.
            failed += 1
            print(f"{name}: FAILED\n{traceback.format_exc()}", flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return len(cases) - failed, failed


def nothing_else(browser: Chromium, *ours: str) -> None:
    """The console is silent, and every request went to an address that begins with one of `ours`."""
    check(not browser.errors, f"the console says: {browser.errors}")
    strange = [url for url in browser.requests if not url.startswith((*ours, "data:"))]
    check(not strange, f"the page asked for {strange}")


def main(about: str, *scripts: Script) -> int:
    """The command line of every script here, and of all of them."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "debug" / "anmei-mcp", help="what to check [default: target/debug/anmei-mcp]")
    options = parser.parse_args()
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if command is None:
        raise SystemExit("chromium not found: install Debian's package chromium")
    done = [script(command, options.binary.resolve()) for script in scripts]
    passed, failed = (sum(counts) for counts in zip(*done))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
