#!/usr/bin/env python3
"""Receives anmei-mcp's events, verifies their signatures (Standard Webhooks), and prints each once. Standard library only.

    WEBHOOK_SECRET=whsec_… python3 webhook_receiver.py [HOST:PORT]      # default 127.0.0.1:8010

Point `outbound.webhook_url` at it and give both sides the same secret. The first line on stdout is its own URL; every
further line is one event as JSON. A receiver of yours keeps the ids it has seen in its database, and answers 2xx only
after it has kept the event: anything else is sent again.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds between the sender's clock and ours
LARGEST = 1024 * 1024  # bytes of a body


class Refused(Exception):
    """The request is not a genuine event."""


def verify(secret: str, headers, body: bytes, now: float) -> str:
    """The event's id, if the signature over "id.timestamp.body" is right and fresh."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or not timestamp.isdecimal():
        raise Refused("webhook-id or webhook-timestamp is missing or malformed")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Refused("webhook-timestamp is more than five minutes off")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    # During a change of secrets there are two signatures, separated by a space; one that fits is enough.
    for offered in headers.get("webhook-signature", "").split():
        version, _, signature = offered.partition(",")
        try:
            if version == "v1" and hmac.compare_digest(base64.b64decode(signature, validate=True), expected):
                return event_id
        except binascii.Error:
            continue
    raise Refused("no signature fits")


class Receiver(BaseHTTPRequestHandler):
    secret = ""
    seen: set[str] = set()
    timeout = 10

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            return self.answer(413, "a body of at most 1 MiB with Content-Length is needed")
        body = self.rfile.read(int(length))
        try:
            event_id = verify(self.secret, self.headers, body, time.time())
            event = json.loads(body)
        except Refused as why:
            return self.answer(401, str(why))
        except ValueError:
            return self.answer(400, "the body is not JSON")
        if event_id not in self.seen:
            self.seen.add(event_id)
            # One write for the whole line: requests are answered side by side.
            sys.stdout.write(json.dumps({"id": event_id, "event": event}, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        return self.answer(204)

    def answer(self, status: int, text: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *args: object) -> None:
        print(form % args, file=sys.stderr)


def main() -> int:
    Receiver.secret = os.environ.get("WEBHOOK_SECRET", "")
    if not Receiver.secret.startswith("whsec_") or len(sys.argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    host, _, port = (sys.argv[1] if len(sys.argv) == 2 else "127.0.0.1:8010").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Receiver)
    print(f"http://{host}:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
