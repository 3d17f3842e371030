"""A clinic to look at: the real daemon with the example records in it, and a server for the example page."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOK_KEY = "hook-key-of-the-browser-0123456789"
RECORDS = [("users", "users.csv"), ("customers", "customers.csv"), ("consultants", "consultants.csv")]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The folder of examples, without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """Everything the page needs, on ports of its own."""

    def __init__(self, binary: Path, work: Path) -> None:
        self._binary, self._work = binary, work
        serve_examples = functools.partial(Quiet, directory=ROOT / "examples")
        self._pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve_examples)
        threading.Thread(target=self._pages.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self._pages.server_port}"
        self._config = work / "anmei-mcp.toml"
        self._config.write_text(
            f'data_dir = "{work / "data"}"\n[mcp]\nlisten = "127.0.0.1:0"\n[hook]\nlisten = "127.0.0.1:0"\nkey = "{HOOK_KEY}"\n'
            f'[admin]\nlisten = "127.0.0.1:0"\n[live]\nlisten = "127.0.0.1:0"\nallowed_origins = ["{self.origin}"]\n'
        )
        self._config.chmod(0o600)
        for kind, file in RECORDS:
            self.cli("import", kind, str(ROOT / "examples" / "import" / file))
        # The examples know one consultant; a second one takes a customer from under the page's nose.
        colleague = work / "colleague.csv"
        colleague.write_text("id,username,roles\nusr_lin,林顾问,consultant\n")
        self.cli("import", "users", str(colleague))
        self._log = (work / "daemon.log").open("wb")
        self._daemon = subprocess.Popen(self._command("serve", "--quiet"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log)
        self._run = self._started()
        self.mcp = self._run["mcp"]
        self.socket = self._run["live"].replace("http", "ws", 1) + "/live/ws"

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        try:
            self._daemon.wait(20)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._log.close()
        self._pages.shutdown()
        self._pages.server_close()

    def _command(self, *arguments: str) -> list[str]:
        return [str(self._binary), *arguments, "--config", str(self._config)]

    def _started(self) -> dict:
        run_file = self._work / "data" / "run.json"
        until = time.monotonic() + 30
        while time.monotonic() < until and self._daemon.poll() is None:
            if run_file.exists():
                return json.loads(run_file.read_text())
            time.sleep(0.02)
        raise RuntimeError(f"the daemon did not start: {(self._work / 'daemon.log').read_text()}")

    def cli(self, *arguments: str, password: str = "") -> str:
        """A verb of the program that must work; `password` is the one it asks for."""
        done = subprocess.run(self._command(*arguments), input=f"{password}\n", capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"anmei-mcp {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def token(self, user: str) -> str:
        return json.loads(self.cli("live", "token", user, "--json"))["token"]

    def register(self, user: str, name: str) -> str:
        """A new customer, as the app tells of one. Returns the registration's id."""
        body = {"user_id": user, "username": name, "email": None, "roles": ["customer"], "phone": None, "avatar": None}
        request = urllib.request.Request(
            f"{self._run['hook']}/hooks/registration", json.dumps(body).encode(), {"authorization": f"Bearer {HOOK_KEY}", "content-type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)["registration_id"]
