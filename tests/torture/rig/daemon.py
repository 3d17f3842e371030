"""The daemon under torture: the real binary on a directory of its own, started bare or under a tool that hurts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

HOOK_KEY = "hook-key-of-the-torture-0123456789"
START_SECONDS = 60

# The rules are those of every installation; only the waits are shorter, so that a drill ends soon. No agent is
# configured: every welcome comes from a template, and the disk is the only thing that can be slow.
SETTINGS = ["retry.delays=500ms,1s,1s,2s,2s,2s,2s,2s,2s,2s", "escalation.enabled=false", "intake.disk_min_mib=0"]


class Died(Exception):
    """The daemon ended while it was started."""


class Daemon:
    """One data directory, and perhaps a process on it."""

    def __init__(self, binary: Path, work: Path, data: Path | None = None) -> None:
        self.binary = binary
        self.work = work
        self.data = data or work / "data"
        self.log = work / "log.jsonl"
        self.hook = ""
        self.pid = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        work.mkdir(parents=True, exist_ok=True)
        self._config = work / "anmei-mcp.toml"
        self._config.write_text(
            f'data_dir = "{self.data}"\n[mcp]\nlisten = "127.0.0.1:0"\n[live]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n[hook]\nlisten = "127.0.0.1:0"\nkey = "{HOOK_KEY}"\n[log]\nformat = "json"\n'
        )
        self._config.chmod(0o600)

    def command(self, *arguments: str) -> list[str]:
        return [str(self.binary), *arguments, "--config", str(self._config)]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, env=environment({}), check=False, timeout=120)

    def start(self, prefix: list[str] | None = None, extra: dict[str, str] | None = None) -> float:
        """Starts it, below `prefix` if there is one, and waits until it answers. Returns the seconds that took."""
        run_file = self.data / "run.json"
        run_file.unlink(missing_ok=True)
        began = time.monotonic()
        with self.log.open("ab") as log:
            line = [*(prefix or []), *self.command("serve", "--quiet")]
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment(extra or {}))
        while True:
            try:
                run = json.loads(run_file.read_text())
                self.hook, self.pid = run["hook"], run["pid"]
                return time.monotonic() - began
            except (OSError, ValueError):
                pass
            code = self.process.poll()
            if code is not None:
                raise Died(f"the daemon ended with {code} instead of starting; its log: {self.tail()}")
            if time.monotonic() - began > START_SECONDS:
                self.kill()
                raise Died(f"the daemon was not ready in {START_SECONDS} s; its log: {self.tail()}")
            time.sleep(0.005)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number: int) -> None:
        """To the daemon itself, whatever stands above it."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self) -> None:
        """kill -9."""
        if self.process is None:
            return
        if self.pid:
            self.send_signal(signal.SIGKILL)
        self._reap(self.process)

    def stop(self) -> tuple[int | None, float]:
        """SIGTERM. Returns the exit code and the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return None, time.monotonic() - began
        code, self.process, self.pid = self.process.returncode, None, 0
        return code, time.monotonic() - began

    def ended(self, seconds: float) -> int | None:
        """The exit code, if it ends by itself within `seconds`."""
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.exit_code, self.process, self.pid = self.process.returncode, None, 0
        return self.exit_code

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        self.process, self.pid = None, 0

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])

    def panics(self) -> list[str]:
        return [line for line in self.log.read_text(errors="replace").splitlines() if "panicked at" in line]

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def environment(extra: dict[str, str]) -> dict[str, str]:
    """Nothing of this machine's: a configuration that lies around must not matter."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "en_US.UTF-8", "RUST_LOG": "warn", **extra}


def prepared(binary: Path, work: Path) -> Path:
    """A data directory that was set up once, with the settings of a drill: cases begin with a copy."""
    with Daemon(binary, work) as daemon:
        changed = daemon.run("settings", "set", *SETTINGS)
        if changed.returncode != 0:
            raise SystemExit(f"the settings of the torture are refused: {changed.stderr.strip()}")
        daemon.start()
        daemon.stop()
        return daemon.data
