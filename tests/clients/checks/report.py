"""What was checked and how it went: one line per check, counted at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable


class Report:
    """Collects outcomes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.passed = 0
        self.failed: list[str] = []

    def check(self, name: str, problems: Iterable[str], note: str = "") -> bool:
        """Prints one line: the check passed when it has no problems."""
        problems = list(problems)
        with self._lock:
            if problems:
                self.failed.append(name)
                print(f"FAIL {name}", *(f"       {shorten(line)}" for line in problems), sep="\n", flush=True)
            else:
                self.passed += 1
                print(f"ok   {name}{'  (' + note + ')' if note else ''}", flush=True)
        return not problems

    def stage(self, title: str, work: Callable[[], None]) -> None:
        """Runs a stage. A stage that breaks is one failed check, and the others still run."""
        started = time.monotonic()
        print(f"\n== {title}", flush=True)
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this stage's failure
            self.check(f"{title} ran", [f"{type(error).__name__}: {error}"])
        print(f"== {title}: {time.monotonic() - started:.1f} s", flush=True)

    def close(self) -> int:
        """Prints the closing line and returns the exit code."""
        with self._lock:
            if self.failed:
                print("\nfailed:", *(f"  {name}" for name in self.failed), sep="\n")
            print(f"\n{self.passed} passed, {len(self.failed)} failed", flush=True)
            sys.stdout.flush()
            return 1 if self.failed or not self.passed else 0


def shorten(text: str, most: int = 1500) -> str:
    """Long answers are cut in the middle, where they say least."""
    text = text.replace("\n", "\n       ")
    return text if len(text) <= most else f"{text[: most // 2]} […] {text[-most // 2 :]}"
