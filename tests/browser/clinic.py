"""Clinics to look at: the real daemon with the example records and a server for the example page, and the demonstration."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOK_KEY = "hook-key-of-the-browser-0123456789"
EVENT_SECRET = "whsec_" + base64.b64encode(b"events of the browser, 32 bytes!").decode()
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
        self.mcp, self.admin = self._run["mcp"], self._run["admin"]
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

    def ended(self) -> int:
        """The exit code of the daemon, which was told to stop."""
        return self._daemon.wait(20)

    def edit_config(self, line: str) -> None:
        """A line more in the configuration file, as by hand."""
        with self._config.open("a") as file:
            file.write(line)

    def token(self, user: str) -> str:
        return json.loads(self.cli("live", "token", user, "--json"))["token"]

    def register(self, user: str, name: str) -> str:
        """A new customer, as the app tells of one. Returns the registration's id."""
        return register(self._run["hook"], HOOK_KEY, user, name)


class Demo:
    """What `anmei-mcp demo` brings: 500 customers, groups with keys, an agent that calls our tools, and nobody signed in."""

    def __init__(self, binary: Path, work: Path) -> None:
        self._binary = binary
        # Nobody takes its events: they wait, and can be seen.
        options = ["--set", f"hook.key={HOOK_KEY}", "--set", "outbound.webhook_url=http://127.0.0.1:9/", "--set", f"outbound.webhook_secret={EVENT_SECRET}"]
        for listener in ("mcp", "hook", "admin", "live"):
            options += ["--set", f"{listener}.listen=127.0.0.1:0"]
        # Its directory is below this one, which is how the verbs find it.
        self._log = (work / "demo.log").open("wb")
        self._process = subprocess.Popen(
            [str(binary), "demo", *options], cwd=work, env={**os.environ, "TMPDIR": str(work)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.keys: dict[str, str] = {}
        self.setup_link = self._read(work)
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
        self.data = next(work.glob("anmei-mcp-demo-*"))
        run = json.loads((self.data / "run.json").read_text())
        self.mcp, self.hook, self.admin = run["mcp"], run["hook"], run["admin"]

    def _read(self, work: Path) -> str:
        for line in self._process.stdout:
            words = line.split()
            if len(words) == 3 and "/server/" in words[1]:
                self.keys[words[0]] = words[2]
            if "/panel/setup/" in line:
                return line.strip()
        raise RuntimeError(f"the demonstration printed no setup link: {(work / 'demo.log').read_text()}")

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def cli(self, *arguments: str, password: str = "") -> str:
        """A verb of the program that must work; `password` is the one it asks for."""
        line = [str(self._binary), *arguments, "--data-dir", str(self.data)]
        done = subprocess.run(line, input=f"{password}\n", capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"anmei-mcp {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def register(self, user: str, name: str) -> str:
        """A new customer, as the app tells of one. Returns the registration's id."""
        return register(self.hook, HOOK_KEY, user, name)

    def call(self, key: str, tool: str, arguments: dict, client: str) -> dict:
        """A tool called as an agent host calls it. Returns the JSON-RPC answer."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        headers = {"authorization": f"Bearer {key}", "accept": "application/json", "content-type": "application/json", "user-agent": client}
        return asked(f"{self.mcp}/mcp", body, headers)

    def rows(self, sql: str) -> list[tuple]:
        """What the database has, or a change of it that no verb makes."""
        with sqlite3.connect(self.data / "anmei-mcp.sqlite3", timeout=10) as database:
            return database.execute(sql).fetchall()


def register(hook: str, key: str, user: str, name: str) -> str:
    body = {"user_id": user, "username": name, "email": None, "roles": ["customer"], "phone": None, "avatar": None}
    return asked(f"{hook}/hooks/registration", body, {"authorization": f"Bearer {key}", "content-type": "application/json"})["registration_id"]


def asked(url: str, body: dict, headers: dict) -> dict:
    """The JSON that a POST is answered with, whatever proxy this machine has."""
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.load(answer)
