#!/usr/bin/env python3
"""Announces one new user to anmei-mcp and prints its answer. Standard library only.

    HOOK_URL=http://127.0.0.1:8001/hooks/registration HOOK_KEY=hook_key_… python3 register.py usr_0123 林晓月

Or every user of a file with one JSON object a line, such as {"user_id": "usr_0123", "username": "林晓月"}:

    HOOK_URL=… HOOK_KEY=… python3 register.py --batch users.jsonl

With HOOK_SECRET (whsec_…) instead of HOOK_KEY the request is signed after Standard Webhooks. Exit status: 0 when the
registration is durable, 1 when one was refused or could not be delivered, 2 when the command line or the environment
is incomplete.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

PART = 60_000  # bytes of one part of a batch
WAITS = (0.5, 1, 2, 4, 8)  # seconds between tries


def sign(secret: str, event_id: str, body: bytes) -> dict[str, str]:
    """Headers of a request signed after Standard Webhooks. Sign every try anew: a signature is good for five minutes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    timestamp = str(int(time.time()))
    mac = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def headers(event_id: str, body: bytes) -> dict[str, str]:
    """Signed where there is a secret; with the key where there is none, and then the user's id alone tells a repetition."""
    common = {"Content-Type": "application/json"}
    secret = os.environ.get("HOOK_SECRET")
    if secret:
        return common | sign(secret, event_id, body)
    return common | {"Authorization": f"Bearer {os.environ['HOOK_KEY']}"}


def register(url: str, user: dict) -> dict:
    """Posts until the daemon has the registration. A repetition is answered with the same run, so trying again is safe."""
    body = json.dumps(user, ensure_ascii=False).encode()
    event_id = f"registered_{user['user_id']}"
    for wait in (*WAITS, None):
        request = urllib.request.Request(url, data=body, headers=headers(event_id, body), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            why = error.read().decode(errors="replace")
            if error.code < 500 and error.code not in (408, 429):
                raise SystemExit(f"refused ({error.code}): {why}") from None
        except OSError as error:
            why = str(error)
        if wait is None:
            raise SystemExit(f"not delivered: {why}")
        time.sleep(wait)
    raise AssertionError("unreachable")


def parts(lines: list[bytes]) -> list[list[bytes]]:
    """Lines in parts that fit into one signed body; a part that is cut off is sent again, and no more than that."""
    found: list[list[bytes]] = [[]]
    for line in lines:
        if found[-1] and sum(map(len, found[-1])) + len(line) > PART:
            found.append([])
        found[-1].append(line)
    return found


def send_part(url: str, lines: list[bytes]) -> tuple[list[bytes], list[str]]:
    """Posts lines to /hooks/registrations. Returns those to be sent again, and what was said of those refused."""
    body = b"".join(lines)
    request = urllib.request.Request(url, data=body, headers=headers(f"batch_{time.time_ns()}", body), method="POST")
    answers = {}
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            for text in answer:
                said = json.loads(text)
                answers[said["line"]] = said
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code not in (408, 429):
            raise SystemExit(f"refused ({error.code}): {error.read().decode(errors='replace')}") from None
    except (OSError, http.client.HTTPException, ValueError):
        pass  # what was answered until then is durable
    again, refused = [], []
    for number, line in enumerate(lines, 1):
        said = answers.get(number)
        if said is None or said["status"] in (408, 429, 503):
            again.append(line)
        elif said["status"] not in (200, 202):
            refused.append(f"{line.decode(errors='replace').strip()}: {said['error']} {said.get('errors', '')}")
    return again, refused


def batch(url: str, path: str) -> int:
    """Posts every line of a file until each was taken or refused."""
    with open(path, "rb") as file:
        lines = [line.strip() + b"\n" for line in file if line.strip()]
    refused = []
    for part in parts(lines) if lines else []:
        for wait in (*WAITS, None):
            part, said = send_part(url, part)
            refused += said
            if not part:
                break
            if wait is None:
                raise SystemExit(f"{len(part)} lines were not delivered; send the file again, what is known stays as it is")
            time.sleep(wait)
    print(f"{len(lines) - len(refused)} registered, {len(refused)} refused")
    print("".join(f"{line}\n" for line in refused), end="", file=sys.stderr)
    return 1 if refused else 0


def main() -> int:
    url = os.environ.get("HOOK_URL")
    if len(sys.argv) != 3 or not url or not (os.environ.get("HOOK_KEY") or os.environ.get("HOOK_SECRET")):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "--batch":
        return batch(f"{url}s", sys.argv[2])
    user = {"user_id": sys.argv[1], "username": sys.argv[2], "email": None, "roles": ["customer"], "phone": None, "avatar": None}
    print(json.dumps(register(url, user), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
