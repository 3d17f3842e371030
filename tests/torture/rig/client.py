"""The app's side: sends registrations, and writes down outside the database what it was promised."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .daemon import HOOK_KEY

TIMEOUT = 20.0


@dataclass
class Answer:
    """What came back; status 0 is no answer."""

    status: int
    seconds: float
    registration: str = ""
    retry_after: str | None = None


class Wire:
    """One connection to the hook, opened anew when it broke."""

    def __init__(self, hook: str) -> None:
        self._place = urlsplit(hook)
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body. (0, {}, b"") when there was no answer."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._place.hostname or "", self._place.port, timeout=TIMEOUT)
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            read = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, {}, b""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Ledger:
    """Every registration that was sent, and the run that a 202 promised."""

    file: Path
    sent: list[str] = field(default_factory=list)
    promised: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        with self._lock:
            name = f"torture_{len(self.sent)}"
            self.sent.append(name)
            return name

    def note(self, name: str, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)
            if answer.status == 202:
                self.promised[name] = answer.registration
            with self.file.open("a") as out:
                out.write(json.dumps([name, answer.status, answer.registration, time.time()]) + "\n")

    def statuses(self) -> dict[int, int]:
        counted: dict[int, int] = {}
        for answer in self.answers:
            counted[answer.status] = counted.get(answer.status, 0) + 1
        return dict(sorted(counted.items()))


def post(wire: Wire, name: str) -> Answer:
    """Sends the registration of this name, as the app does."""
    body = json.dumps({"user_id": f"usr_{name}", "username": "压力测试", "email": None, "roles": ["customer"]}).encode()
    headers = {"Authorization": f"Bearer {HOOK_KEY}", "Content-Type": "application/json", "webhook-id": name}
    began = time.monotonic()
    status, answered, read = wire.call("POST", "/hooks/registration", headers, body)
    registration = ""
    if status in (200, 202):
        registration = json.loads(read)["registration_id"]
    return Answer(status, time.monotonic() - began, registration, answered.get("retry-after"))


def get(hook: str, path: str) -> int:
    """The status of a read."""
    wire = Wire(hook)
    status, _, _ = wire.call("GET", path, {"Authorization": f"Bearer {HOOK_KEY}"})
    wire.close()
    return status


def one(hook: str, ledger: Ledger) -> Answer:
    """One new registration."""
    wire, name = Wire(hook), ledger.next()
    answer = post(wire, name)
    wire.close()
    ledger.note(name, answer)
    return answer


class Load:
    """Registrations at a steady rate, sent by as many threads as it takes, until it is told to stop."""

    def __init__(self, hook: str, ledger: Ledger, per_second: float = 50.0, threads: int = 8) -> None:
        self._hook, self._ledger, self._stop = hook, ledger, threading.Event()
        self._beat, self._threads = threads / per_second, [threading.Thread(target=self._work, args=(n, threads, per_second)) for n in range(threads)]

    def _work(self, number: int, threads: int, per_second: float) -> None:
        wire, due = Wire(self._hook), time.monotonic() + number / per_second
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            name = self._ledger.next()
            self._ledger.note(name, post(wire, name))
            due = max(due + self._beat, time.monotonic() - self._beat)
        wire.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()

    def halt(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
