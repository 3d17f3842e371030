"""The server under test: one `anmei-mcp serve` on a data directory of its own, filled through its own commands."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from . import sample

START_SECONDS = 60
COMMAND_SECONDS = 120


class Daemon:
    """Starts the daemon, imports the sample, and knows its groups and keys."""

    def __init__(self, binary: Path, directory: Path, settings: tuple[str, ...] = ()) -> None:
        self.binary = binary
        self.data = directory / "data"
        self._log = directory / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.mcp = ""
        self.groups: dict[str, list[str]] = {}
        self.scoped: set[str] = set()
        self.keys: dict[str, str] = {}
        self.tools: dict[str, dict[str, Any]] = {}
        self.plan_id = ""
        self._settings = settings
        self._directory = directory

    def __enter__(self) -> Daemon:
        try:
            self._start()
            self._fill()
            self._learn()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)

    def stop(self) -> list[str]:
        """Stops it in order; says what was not in order."""
        assert self._process is not None
        crashed = self._process.poll()
        if crashed is not None:
            return [f"the daemon had ended by itself with {crashed}", self.log_tail()]
        self.__exit__()
        problems = [] if self._process.returncode == 0 else [f"the daemon ended with {self._process.returncode}"]
        log = self._log.read_text(errors="replace")
        errors = [line for line in log.splitlines() if '"level":"ERROR"' in line or "panicked" in line]
        problems += [f"the log has {len(errors)} lines about errors; the first: {line}" for line in errors[:1]]
        problems += [f"the log holds the key of {code}" for code, key in self.keys.items() if key in log]
        return problems

    def log_tail(self) -> str:
        """The last lines of the daemon's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def url(self, code: str | None = None) -> str:
        """The URL of a group, or the one that all groups share."""
        return f"{self.mcp}/server/{code}/mcp" if code else f"{self.mcp}/mcp"

    def sse(self, code: str | None = None) -> str:
        """The same, for clients of the HTTP+SSE transport."""
        return f"{self.mcp}/server/{code}/sse" if code else f"{self.mcp}/sse"

    def stdio(self, code: str) -> list[str]:
        """The command that serves a group on stdin and stdout."""
        return [str(self.binary), "stdio", "--server-code", code, "--data-dir", str(self.data)]

    def command(self, *arguments: str) -> str:
        """Runs a verb on the daemon's data, and returns what it printed."""
        line = [str(self.binary), *arguments, "--data-dir", str(self.data)]
        done = subprocess.run(line, capture_output=True, timeout=COMMAND_SECONDS, stdin=subprocess.DEVNULL, cwd=self._directory, env=environment(self._directory), check=False)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise RuntimeError(f"`anmei-mcp {' '.join(arguments)}` ended with {done.returncode}: {said}")
        return done.stdout.decode()

    def _start(self) -> None:
        line = [str(self.binary), "serve", "--data-dir", str(self.data), "--quiet"]
        line += ["--set", "mcp.listen=127.0.0.1:0", "--set", "hook.listen=127.0.0.1:0", "--set", "live.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0"]
        # Every check registers a client of its own, from one address.
        line += ["--set", "oauth.registrations_per_hour=1000"]
        # Every client tries wrong keys here, and each is to hear of the key and not of the others' attempts.
        line += ["--set", "keys.failed_attempts=10000"]
        line += [word for setting in self._settings for word in ("--set", setting)]
        # Keys are printed once on stdout, so that is not the log.
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=self._directory, env=environment(self._directory)
            )
        run_file = self.data / "run.json"
        end = time.monotonic() + START_SECONDS
        while not run_file.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the daemon did not start:\n{self.log_tail()}")
            time.sleep(0.05)
        self.mcp = json.loads(run_file.read_text())["mcp"]

    def _fill(self) -> None:
        for kind, file in sample.write(self._directory / "sample"):
            self.command("import", kind, str(file))

        # The checks call more in a minute than any key is meant to.
        self.command("settings", "set", *(f"limits.{name}=0" for name in ("list_per_minute", "call_per_minute", "other_per_minute", "concurrent_calls")))

    def _learn(self) -> None:
        for group in json.loads(self.command("group", "list", "--json")):
            code = group["server_code"]
            self.groups[code] = group["tools"]
            if group["subject_scoped"]:
                self.scoped.add(code)
            self.keys[code] = json.loads(self.command("key", "show", code, "--json"))["key"]
        for name in sorted({tool for tools in self.groups.values() for tool in tools}):
            self.tools[name] = json.loads(self.command("tool", "show", name, "--json"))
        # A stored plan for whoever optimises one.
        plan = json.loads(self.command("tool", "call", "medical_tools", "generate_treatment_plan", "--arguments", json.dumps(sample.PLAN_WISH)))
        self.plan_id = plan["plan_id"]


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's configuration reaches the daemon."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANMEI_MCP_", "XDG_")) and name != "RUST_LOG"}
    return {**kept, "HOME": str(home)}
