"""What is in the clinic that the API is asked about, and for each operation a request that is known to be good.

Of what an operation ends or changes for good it has one of its own, so that no operation takes away what another one needs;
and what keeps the run going (the tokens it asks with, the accounts behind them) is named nowhere. The requests are asked
first; then their names are half of those that are put into what is made up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import sqlite3
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HOOK_KEY = "hook-key-of-the-tests-0123456789"
PASSWORD = "a quiet afternoon in May"
#: How long what happens by itself may take.
SECONDS = 30
CHANNEL = "frontdesk"
WHATEVER_IS_THERE = {"If-Match": "*"}
GROUPS = "/api/v1/groups"
KEYS = f"{GROUPS}/{{server_code}}/keys"
KEY = f"{KEYS}/{{key_id}}"
TOOL = f"{GROUPS}/{{server_code}}/tools/{{name}}"
AGENT = "/api/v1/agents/{agent}"
RUN = "/api/v1/registrations/{id}"


class Receiver:
    """Takes what the daemon sends out: events gladly, pushes never, so that they are given up."""

    def __enter__(self) -> Receiver:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 - the name is the library's
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b'{"errcode": 93000, "errmsg": "no"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:  # noqa: N802
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Client:
    """Asks the API in somebody's name."""

    def __init__(self, root: str, token: str) -> None:
        self.root, self.token = root, token

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """What a request is answered, which must work."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.root}/api/v1{path}", data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, body)

    def first(self, path: str, field: str = "id") -> str:
        """A field of a list's first entry, once there is one."""
        return str(until(f"an entry of {path}", lambda: self.get(path)["items"])[0][field])


def until(what: str, look: Any) -> Any:
    """Looks until there is something to see."""
    end = time.monotonic() + SECONDS
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"there never was {what}")
        time.sleep(0.1)


def login_of(role: str) -> str:
    """The account that asks in the name of a role."""
    return f"api-{role}"


def register(root: str, number: int, name: str) -> str:
    """A registration, and its id."""
    body = {"user_id": f"usr_api_{number}", "username": name, "email": f"a{number}@example.com", "phone": f"1380013800{number}"}
    headers = {"Authorization": f"Bearer {HOOK_KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{root}/hooks/registration", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status in (200, 202), answer.status
        return json.load(answer)["registration_id"]


def one_time_code(secret: str) -> str:
    """The six digits that a telephone shows (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class Clinic:
    """The daemon's groups and people, with more of everything."""

    def __init__(self, daemon: Any, run: dict[str, str], tokens: dict[str, str], receiver: Receiver) -> None:
        self.daemon, self.run, self.receiver = daemon, run, receiver
        self.logins = [login_of(role) for role in tokens]
        self.client = Client(run["admin"], tokens["administrator"])
        self.known: dict[str, list[dict[str, Any]]] = {}

    def add(self, operation: str, path: dict[str, Any] | None = None, **more: Any) -> None:
        """A request that is known to be good. `more`: query, headers, body."""
        method, route = operation.split(" ")
        self.known.setdefault(f"{method} {route}", []).append({"path": path or {}, **more})

    def fill(self) -> None:
        """Everything but what ends soon, with the requests about it."""
        self.automation()
        self.calls()
        self.accounts()
        self.agents()
        self.groups()
        self.oauth()
        self.settings()

    def kept(self) -> list[str]:
        """What the run stands on: the accounts it asks as, and their tokens. Nobody is to end or change them."""
        tokens = [one for one in self.client.get("/tokens")["items"] if one["login"] in self.logins]
        return [*self.logins, *(one["id"] for one in tokens if one["name"] != "known")]

    def words(self) -> dict[str, dict[str, list[Any]]]:
        """What the names in the paths of each operation may stand for."""
        found: dict[str, dict[str, list[Any]]] = {}
        for operation, requests in self.known.items():
            for request in requests:
                for name, value in request["path"].items():
                    values = found.setdefault(operation, {}).setdefault(name, [])
                    values += [] if value in values else [value]
        return found

    def set(self, **settings: str) -> None:
        self.daemon.command("settings", "set", *(f"{name.replace('__', '.')}={value}" for name, value in settings.items()))

    def automation(self) -> None:
        """Registrations in every state, and what came of them."""
        hook = self.run["hook"]
        channel = {"kind": "wecom", "name": CHANNEL, "url": f"{self.receiver.root}/robot?key=x"}
        self.set(notice__channels=json.dumps([channel]), notice__ack_timeout="50ms", retry__delays="50ms")
        # They get their welcome from the template: there is no agent yet.
        done = [register(hook, number, name) for number, name in enumerate(("张伟", "李娜", "<script>alert(1)</script>", "赵敏"))]
        for run in done:
            self.state(run, "done_with_fallback")
        with Broken(self.daemon.data):
            dead = [register(hook, number, "王芳") for number in (4, 5)]
            for run in dead:
                self.state(run, "dead_letter")
            self.set(retry__delays="1h")
            waiting = [register(hook, number, "刘洋") for number in (6, 7)]
            for run in waiting:
                until("a job that waits", lambda run=run: self.client.get(f"/jobs/{run}")["job"]["last_error"])
        self.runs(done, dead, waiting)
        self.told()

    def state(self, run: str, wanted: str) -> None:
        until(f"a registration that is {wanted}", lambda: self.client.get(f"/registrations/{run}")["state"] == wanted)

    def runs(self, done: list[str], dead: list[str], waiting: list[str]) -> None:
        """Requests about registrations, their jobs, conversations and claims."""
        for operation in (f"GET {RUN}", f"GET {RUN}/timeline", f"GET {RUN}/replays"):
            self.add(operation, {"id": done[0]})
        self.add(f"POST {RUN}/retry", {"id": dead[0]}, body={"reason": "known"})
        self.add(f"POST {RUN}/cancel", {"id": waiting[0]}, body={})
        self.add(f"POST {RUN}/resume", {"id": done[1]}, body={})
        self.add("GET /api/v1/jobs/{id}", {"id": done[0]})
        self.add("POST /api/v1/jobs/{id}/retry", {"id": dead[1]}, query={"reason": "known"})
        self.add("POST /api/v1/jobs/{id}/cancel", {"id": waiting[1]})
        conversation = self.client.first("/conversations")
        for operation in ("GET /api/v1/conversations/{id}", "GET /api/v1/conversations/{id}/messages"):
            self.add(operation, {"id": conversation})
        self.add("POST /api/v1/conversations/{id}/words", {"id": conversation}, body={"reason": "known"})
        consultant = self.client.get("/consultants")["items"][0]["user_id"]
        self.add("POST /api/v1/claims", body={"customer": done[2], "consultant_id": consultant})
        self.run_id = done[3]

    def told(self) -> None:
        """Requests about what was told to whom, and what administrators must know."""
        push = self.client.first("/pushes?state=given_up")
        self.add("GET /api/v1/pushes/{id}", {"id": push})
        self.add("POST /api/v1/pushes/{id}/resend", {"id": push})
        event = self.client.first("/events?state=delivered")
        for operation in ("GET /api/v1/events/{id}", "POST /api/v1/events/{id}/replay"):
            self.add(operation, {"id": event})
        self.add("GET /api/v1/alerts/{id}", {"id": self.client.first("/alerts")})
        for verb in ("preview", "test"):
            self.add(f"POST /api/v1/channels/{{name}}/{verb}", {"name": CHANNEL}, body={"username": "林晓月"})
        self.add("GET /api/v1/audit/{seq}", {"seq": 1})

    def calls(self) -> None:
        """Requests about calls of tools."""
        call = self.client.first("/calls", "call_id")
        self.add("GET /api/v1/calls/{call_id}", {"call_id": call})
        self.add("POST /api/v1/calls/{call_id}/bodies", {"call_id": call}, body={"reason": "known"})
        self.add("GET /api/v1/calls/export", query={"format": "csv"})
        tool = sorted(self.daemon.tools)[0]
        self.add("GET /api/v1/tools/{name}", {"name": tool})

    def accounts(self) -> None:
        """An account for each operation."""
        account = "/api/v1/accounts/{login}"
        new = {"password": PASSWORD, "tier": "internal", "roles": ["operator"], "panel_role": "operator"}
        self.add("POST /api/v1/accounts", body={"login": "known-new", **new})
        for operation, more in (
            (f"GET {account}", {}),
            (f"PATCH {account}", {"headers": WHATEVER_IS_THERE, "body": {"display_name": "梅"}}),
            (f"DELETE {account}", {"headers": WHATEVER_IS_THERE}),
            (f"PUT {account}/password", {"body": {"password": PASSWORD}}),
            (f"DELETE {account}/second-factor", {}),
            (f"DELETE {account}/sessions", {}),
        ):
            login = f"known-{len(self.known)}"
            self.client.post("/accounts", {"login": login, **new})
            self.add(operation, {"login": login}, **more)
            if operation.endswith("second-factor"):
                token = json.loads(self.daemon.command("admin", "token", login, "--name", "known", "--role", "operator", "--json"))["token"]
                enrol(Client(self.run["admin"], token))
            if operation.endswith("sessions"):
                sign_in(self.run["admin"], login)
        login = self.known[f"GET {account}"][0]["path"]["login"]
        sign_in(self.run["admin"], login)
        session = next(one["id"] for one in self.client.get("/sessions")["items"] if one["login"] == login)
        self.add("DELETE /api/v1/sessions/{id}", {"id": session})

    def agents(self) -> None:
        """Agents at an address where nobody answers as one does."""
        new = {"base_url": self.receiver.root, "key": "app-known"}
        self.add("POST /api/v1/agents", body={"name": "known-new", **new})
        self.client.post("/agents", {"name": "known", **new})
        for operation in (f"GET {AGENT}", f"GET {AGENT}/versions", f"POST {AGENT}/check"):
            self.add(operation, {"agent": "known"})
        self.add(f"GET {AGENT}/versions/{{number}}", {"agent": "known", "number": 1})
        self.client.post("/agents", {"name": "known-changed", **new})
        self.add(f"PATCH {AGENT}", {"agent": "known-changed"}, headers=WHATEVER_IS_THERE, body={"max_concurrent": 4})
        self.add(f"PUT {AGENT}/key", {"agent": "known-changed"}, headers=WHATEVER_IS_THERE, body={"key": "app-other"})
        self.add(f"POST {AGENT}/versions/{{number}}/restore", {"agent": "known-changed", "number": 1}, headers=WHATEVER_IS_THERE)
        self.client.post("/agents", {"name": "known-candidate", "part": "candidate", **new})
        self.add(f"GET {AGENT}/rollout", {"agent": "known-candidate"})
        self.add(f"PUT {AGENT}/rollout", {"agent": "known-candidate"}, headers=WHATEVER_IS_THERE, body={"percent": 5})
        self.client.post("/agents", {"name": "known-rolled-back", "part": "candidate", "rollout_percent": 5, **new})
        self.add(f"POST {AGENT}/rollout/roll-back", {"agent": "known-rolled-back"}, headers=WHATEVER_IS_THERE)
        weights = {"weights": [{"agent": "known", "weight": 50}]}
        self.add("PUT /api/v1/agents/weights", headers=WHATEVER_IS_THERE, body=weights)
        self.add("POST /api/v1/agents/weights/preview", body=weights)
        replay = self.client.post(f"/registrations/{self.run_id}/replays", {"agent": "known"})["id"]
        self.add(f"POST {RUN}/replays", {"id": self.run_id}, body={"agent": "known"})
        self.add(f"GET {RUN}/replays/{{replay_id}}", {"id": self.run_id, "replay_id": replay})

    def groups(self) -> None:
        """A group to look at, one to change, one to end."""
        one = {"server_code": "known", "tools": ["search_users", "get_user_profile"]}
        for code in ("known", "known-changed", "known-deleted"):
            self.client.post("/groups", {**one, "server_code": code})
        self.add(f"POST {GROUPS}", body={"server_code": "known-new", "tools": ["search_users"]})
        of = f"{GROUPS}/{{server_code}}"
        for path in ("", "/impact", "/key-users", "/keys", "/aliases", "/server-url", "/size", "/tools"):
            self.add(f"GET {of}{path}", {"server_code": "known"})
        self.add(f"GET {of}/connect", {"server_code": "known"}, query={"host": "cursor"})
        self.add(f"POST {of}/connect", {"server_code": "known"}, body={"host": "cursor", "reason": "known"})
        self.add(f"PATCH {of}", {"server_code": "known-changed"}, headers=WHATEVER_IS_THERE, body={"name": "前台"})
        self.add(f"DELETE {of}", {"server_code": "known-deleted"}, headers=WHATEVER_IS_THERE)
        self.add("PATCH /api/v1/limits", headers=WHATEVER_IS_THERE, body={"server_code": "known", "limits": {"call_per_minute": 100}})
        self.add("GET /api/v1/limits", query={"server_code": "known"})
        self.tools(of)
        self.keys()

    def tools(self, of: str) -> None:
        """Tools of a group, and old names of them."""
        shown = {"server_code": "known", "name": "search_users"}
        for path in ("", "/figures", "/impact"):
            self.add(f"GET {TOOL}{path}", shown)
        self.add(f"POST {TOOL}/call", shown, body={"arguments": {"query": "张"}})
        self.add(f"PATCH {TOOL}", shown, headers=WHATEVER_IS_THERE, body={"timeout_seconds": 9})
        self.add(f"DELETE {TOOL}", {"server_code": "known-changed", "name": "search_users"}, headers=WHATEVER_IS_THERE)
        self.add(f"POST {of}/tools", {"server_code": "known-changed"}, body={"tool_name": "get_service_info"})
        alias = {"tool_name": "search_users", "until": "90d"}
        for old in ("known_shown", "known_gone"):
            self.client.ask("PUT", f"/groups/known/aliases/{old}", alias)
        self.add(f"GET {of}/aliases/{{alias}}", {"server_code": "known", "alias": "known_shown"})
        self.add(f"PUT {of}/aliases/{{alias}}", {"server_code": "known", "alias": "known_new"}, body=alias)
        self.add(f"DELETE {of}/aliases/{{alias}}", {"server_code": "known", "alias": "known_gone"}, headers=WHATEVER_IS_THERE)

    def keys(self) -> None:
        """A key for each operation that ends one."""
        made = {name: self.client.post("/groups/known/keys", {"name": name})["id"] for name in ("shown", "renamed", "rotated", "retired", "revoked")}
        self.client.post(f"/groups/known/keys/{made['retired']}/rotate", {"grace": "2h"})
        self.add(f"POST {KEYS}", {"server_code": "known"}, body={"name": "new"})
        for operation, name, more in (
            (f"GET {KEY}", "shown", {}),
            (f"PATCH {KEY}", "renamed", {"headers": WHATEVER_IS_THERE, "body": {"name": "renamed-again"}}),
            (f"POST {KEY}/reveal", "shown", {"body": {"reason": "known"}}),
            (f"POST {KEY}/rotate", "rotated", {"body": {"grace": "1h"}}),
            (f"POST {KEY}/retire", "retired", {"body": {}}),
            (f"POST {KEY}/revoke", "revoked", {"body": {}}),
        ):
            self.add(operation, {"server_code": "known", "key_id": made[name]}, **more)

    def oauth(self) -> None:
        """Clients that enter by themselves, one for each operation."""
        new = {"confidential": True, "groups": ["known"]}
        self.add("POST /api/v1/oauth/clients", body={"name": "known-new", **new})
        client = "/api/v1/oauth/clients/{client_id}"
        for operation in (f"GET {client}", f"DELETE {client}", f"POST {client}/revoke", f"POST {client}/restore"):
            made = self.client.post("/oauth/clients", {"name": operation, **new})
            self.add(operation, {"client_id": made["client_id"]})
            if operation.endswith("restore"):
                self.client.post(f"/oauth/clients/{made['client_id']}/revoke")
            if operation == f"GET {client}":
                self.enter(made)
        self.add("POST /api/v1/oauth/grants/{grant_id}/revoke", {"grant_id": self.client.first("/oauth/grants")})

    def enter(self, client: dict[str, str]) -> None:
        """Gets a token, and with it a grant."""
        fields = {"grant_type": "client_credentials", "resource": self.daemon.url("known")}
        pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        request = urllib.request.Request(f"{self.run['mcp']}/oauth/token", urllib.parse.urlencode(fields).encode(), {"Authorization": f"Basic {pair}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200, answer.status

    def settings(self) -> None:
        """A setting that does no harm, whatever it is set to."""
        name = {"name": "welcome.deadline"}
        self.add("GET /api/v1/settings/{name}", name)
        self.add("PUT /api/v1/settings/{name}", name, headers=WHATEVER_IS_THERE, body={"value": "20s"})
        self.add("POST /api/v1/settings/{name}/reset", name, headers=WHATEVER_IS_THERE)
        self.add("PATCH /api/v1/settings", body={"settings": {"welcome.deadline": {"value": "25s", "version": None}}})
        # It is read at the next start, and there is none here.
        self.add("GET /api/v1/server/config/{key}", {"key": "log.filter"})
        self.add("PUT /api/v1/server/config/{key}", {"key": "log.filter"}, headers=WHATEVER_IS_THERE, body={"value": "info"})

    def me(self) -> None:
        """What the administrator holds who asks. A one-time code ends soon."""
        self.add("POST /api/v1/me/confirm", body={"password": PASSWORD})
        self.add("PUT /api/v1/me/password", body={"password": PASSWORD})
        enrol(self.client)
        begun = self.client.post("/me/second-factor")
        self.add("PUT /api/v1/me/second-factor", body={"pending": begun["pending"], "code": one_time_code(begun["secret"])})
        self.add("POST /api/v1/tokens", body={"name": "known-new", "role": "operator"})
        for operation in ("GET /api/v1/tokens/{id}", "DELETE /api/v1/tokens/{id}"):
            self.add(operation, {"id": self.client.post("/tokens", {"name": "known", "role": "operator"})["id"]})


class Broken:
    """A database that takes no conversations, for as long as it lasts."""

    def __init__(self, data: Path) -> None:
        self.file = data / "anmei-mcp.sqlite3"

    def change(self, sql: str) -> None:
        database = sqlite3.connect(self.file, timeout=20)
        try:
            database.execute(sql)
            database.commit()
        finally:
            database.close()

    def __enter__(self) -> None:
        self.change("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END")

    def __exit__(self, *_: object) -> None:
        self.change("DROP TRIGGER broken")


def enrol(client: Client) -> None:
    """Sets up a second factor."""
    begun = client.post("/me/second-factor")
    client.ask("PUT", "/me/second-factor", {"pending": begun["pending"], "code": one_time_code(begun["secret"])})


def sign_in(root: str, login: str) -> None:
    """Signs somebody in in the panel, as its own page does."""
    form = urllib.parse.urlencode({"login": login, "password": PASSWORD, "code": "", "_csrf": ""}).encode()
    headers = {"Origin": root, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    request = urllib.request.Request(f"{root}/panel/sign-in", form, headers)

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(request, timeout=20)
    except urllib.error.HTTPError as error:
        if error.code == 303:
            return
        raise
    raise RuntimeError(f"{login} was not signed in")
