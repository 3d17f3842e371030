"""Requests that two readers may take apart differently, sent through a proxy that guards an address."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from rig.daemon import Daemon, Died
from rig.report import Result

from . import bench

# What the proxy keeps from everybody. Whoever gets it has led a request past the proxy, hidden in another one.
GUARDED = "/version"
HIDDEN = f"GET {GUARDED} HTTP/1.1\r\nHost: localhost\r\n\r\n"
TOLD = '"version":'
CLOSE = "Connection: close\r\n"
# A connection that says nothing for so long has said everything; one that ends by itself is waited for.
QUIET_SECONDS, ENDS_SECONDS = 0.25, 5.0

CONFIGURATION = """
defaults
    mode http
    timeout connect 2s
    timeout client 2s
    timeout server 2s
    timeout http-request 2s

frontend shared
    bind 127.0.0.1:{shared}
    http-request deny if {{ path_beg {guarded} }}
    default_backend shared

frontend single
    bind 127.0.0.1:{single}
    http-request deny if {{ path_beg {guarded} }}
    default_backend single

# Connections to the daemon are kept, and shared by clients: what one leaves behind, the next one would get.
backend shared
    http-reuse always
    server daemon {daemon}

backend single
    option http-server-close
    server daemon {daemon}
"""


def h4_smuggling(site: bench.Site) -> Result:
    """haproxy and the daemon agree on where every request ends, or it is refused: nothing hidden in one is answered."""
    work = site.work / "h4"
    with Daemon(site.binary, work, site.copy(work)) as daemon:
        daemon.start()
        key = json.loads(daemon.run("key", "show", "system_tools", "--json").stdout)["key"]
        address = json.loads((daemon.data / "run.json").read_text())["mcp"].removeprefix("http://")
        ports = {"shared": free_port(), "single": free_port()}
        configuration = work / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(**ports, guarded=GUARDED, daemon=address))
        with haproxy(configuration, list(ports.values())), ThreadPoolExecutor(len(ports)) as pool:
            found = list(pool.map(lambda port: tried(port, key), ports.values()))
        direct = exchange(int(address.rsplit(":", 1)[1]), HIDDEN)
    findings = [f"{name}: {finding}" for name, findings in zip(ports, found) for finding in findings]
    if TOLD not in direct:
        findings.append(f"without the proxy the guarded address is not answered, so that nothing is shown: {direct!r}")
    return Result("H4 smuggling", figures=f"{len(shapes(key))} spellings, twice", findings=findings)


def tried(port: int, key: str) -> list[str]:
    """What is wrong after every spelling was sent to a proxy."""
    findings = []
    if statuses(exchange(port, HIDDEN)) != ["403"]:
        findings.append("the proxy does not guard the address")
    if statuses(exchange(port, ping(key, "one") + ping(key, "two", CLOSE), ENDS_SECONDS)) != ["200", "200"]:
        findings.append("two honest requests are not answered one after the other")
    for number, (what, sent) in enumerate(shapes(key).items()):
        answer = exchange(port, sent)
        if TOLD in answer:
            findings.append(f"{what}: the hidden request was answered: {answer[:300]!r}")
        # Whoever comes next gets the answer to their own question.
        for client in ("next", "one after"):
            asked = f"{client} {number}"
            after = exchange(port, ping(key, asked, CLOSE), ENDS_SECONDS)
            if statuses(after) != ["200"] or f'"id":"{asked}"' not in after:
                findings.append(f"{what}: the {client} client got {after[:300]!r}")
    return findings


def ping(key: str, asked: str, lines: str = "") -> str:
    """A request in order, whose answer says what it answers."""
    return post(key, f"{lines}Content-Length: {len(body(asked))}\r\n", body(asked))


def body(asked: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": asked, "method": "ping"})


def post(key: str, lines: str, content: str, version: str = "1.1") -> str:
    head = f"POST /mcp HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return f"{head}{lines}\r\n{content}"


def shapes(key: str) -> dict[str, str]:
    """Requests with another one hidden in them, for a reader who takes them apart in another way."""
    asked = body("first")
    size = f"{len(asked):x}"
    chunked = f"{size}\r\n{asked}\r\n0\r\n\r\n"
    whole, short = len(asked) + len(HIDDEN), len(asked)
    coding = "Transfer-Encoding: chunked\r\n"
    # Every spelling of a coding comes with a length that takes the hidden request in: if one reader does not know the coding and
    # another does, they disagree.
    codings = {
        "a length and a coding": coding,
        "a coding after a vertical tab": "Transfer-Encoding: \x0bchunked\r\n",
        "a coding after a tab": "Transfer-Encoding:\tchunked\r\n",
        "a coding in quotes": 'Transfer-Encoding: "chunked"\r\n',
        "a coding in capitals": "Transfer-Encoding: CHUNKED\r\n",
        "an unknown coding": "Transfer-Encoding: xchunked\r\n",
        "chunked and then identity": "Transfer-Encoding: chunked, identity\r\n",
        "identity and then chunked": "Transfer-Encoding: identity, chunked\r\n",
        "chunked twice": coding * 2,
        "chunked with a comma": "Transfer-Encoding: ,chunked\r\n",
        "a blank before the colon": "Transfer-Encoding : chunked\r\n",
        "a blank before the name": " Transfer-Encoding: chunked\r\n",
        "a folded coding": "Transfer-Encoding:\r\n chunked\r\n",
        "a coding behind a bare LF": f"X-A: b\n{coding}",
        "a coding behind a bare CR": f"X-A: b\r{coding}",
        "a coding behind a NUL": f"X-A: b\0\r\n{coding}",
        "a name with an underscore": "Transfer_Encoding: chunked\r\n",
    }
    made = {what: post(key, f"Content-Length: {len(chunked) + len(HIDDEN)}\r\n{lines}", chunked + HIDDEN) for what, lines in codings.items()}
    made |= {f"{what}, the length last": post(key, f"{lines}Content-Length: {len(chunked) + len(HIDDEN)}\r\n", chunked + HIDDEN) for what, lines in codings.items()}
    lengths = {
        "two lengths, the longer first": f"Content-Length: {whole}\r\nContent-Length: {short}\r\n",
        "two lengths, the longer last": f"Content-Length: {short}\r\nContent-Length: {whole}\r\n",
        "a list of lengths": f"Content-Length: {short}, {whole}\r\n",
        "a signed length": f"Content-Length: +{short}\r\n",
        "a length in octal": f"Content-Length: 0{short:o}\r\n",
        "a length in hexadecimal": f"Content-Length: 0x{short:x}\r\n",
        "a length beyond 64 bits": f"Content-Length: {2**64 + short}\r\n",
        "a length with a fraction": f"Content-Length: {short}.0\r\n",
        "a length with a blank in it": f"Content-Length: {whole // 10} {whole % 10}\r\n",
        "no length": "",
    }
    made |= {what: post(key, lines, asked + HIDDEN) for what, lines in lengths.items()}
    chunks = {
        "a chunk size beyond 64 bits": f"{2**64 + len(asked):x}\r\n{asked}\r\n0\r\n\r\n",
        "a chunk size with a sign": f"+{size}\r\n{asked}\r\n0\r\n\r\n",
        "a chunk size in the way of a language": f"0x{size}\r\n{asked}\r\n0\r\n\r\n",
        "a chunk that ends in a bare LF": f"{size}\n{asked}\n0\n\n",
        "a bare LF in an extension": f"{size};a\n{asked}\r\n0\r\n\r\n",
        "a chunk without its end": f"{size}\r\n{asked}XX0\r\n\r\n",
        "a last chunk without its end": f"{size}\r\n{asked}\r\n0\r\n",
        "a length among the trailers": f"{size}\r\n{asked}\r\n0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n",
    }
    made |= {what: post(key, coding, content + HIDDEN) for what, content in chunks.items()}
    made["chunks in HTTP/1.0"] = post(key, coding, chunked + HIDDEN, "1.0")
    made["a GET with a length"] = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}"
    made["a promise to wait that is not kept"] = post(key, f"Expect: 100-continue\r\nContent-Length: {whole}\r\n", asked + HIDDEN)
    return made


def exchange(port: int, sent: str, quiet: float = QUIET_SECONDS) -> str:
    """Everything that comes back, until the connection ends or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=quiet) as connection:
        answer = b""
        try:
            connection.sendall(sent.encode("latin-1"))
            while read := connection.recv(4096):
                answer += read
        except OSError:
            pass
    return answer.decode("latin-1")


def statuses(answer: str) -> list[str]:
    return [part[:3] for part in answer.split("HTTP/1.1 ")[1:]]


@contextmanager
def haproxy(configuration: Path, ports: list[int]) -> Iterator[None]:
    """The proxy, from the moment at which it answers."""
    process = subprocess.Popen(["haproxy", "-db", "-f", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 10
        for port in ports:
            while not listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    process.kill()
                    raise Died(f"haproxy does not start: {process.communicate()[1][-500:]}")
                time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait(10)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
