#!/usr/bin/env python3
"""Works with every page of this project in a real Chromium, against the real daemon.

    python3 tests/browser/run.py --binary target/debug/anmei-mcp

Runs the scripts beside it one after the other; each of them can be run by itself in the same way. Nothing may be said on
the console, nothing may be asked of any other host, and what strangers wrote must show as text. Leaves screenshots in
target/screenshots. Standard library only; needs Debian's packages `chromium` (and fonts-noto-cjk for readable
screenshots) and `npm`, by which axe-core is installed. The last line is `N passed, N failed`; the exit code is 1 if any
failed.
"""

from __future__ import annotations

import sys

sys.dont_write_bytecode = True

import cases  # noqa: E402
import consent  # noqa: E402
import consultant  # noqa: E402
import panel  # noqa: E402
import server  # noqa: E402

if __name__ == "__main__":
    sys.exit(cases.main(__doc__, consultant.run, consent.run, server.run, panel.run))
