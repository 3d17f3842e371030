#!/usr/bin/env python3
"""Announces one new user to anmei-mcp and prints its answer. Standard library only.

    HOOK_URL=http://127.0.0.1:8001/hooks/registration HOOK_KEY=hook_key_… python3 register.py usr_0123 林晓月

With HOOK_SECRET (whsec_…) instead of HOOK_KEY the request is signed after Standard Webhooks. Exit status: 0 when the
registration is durable, 1 when it was refused or could not be delivered, 2 when the command line or the environment
is incomplete.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request

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


def main() -> int:
    url = os.environ.get("HOOK_URL")
    if len(sys.argv) != 3 or not url or not (os.environ.get("HOOK_KEY") or os.environ.get("HOOK_SECRET")):
        print(__doc__, file=sys.stderr)
        return 2
    user = {"user_id": sys.argv[1], "username": sys.argv[2], "email": None, "roles": ["customer"], "phone": None, "avatar": None}
    print(json.dumps(register(url, user), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
