"""Dify's way through OAuth, request by request as its releases send them (1.6 to 1.9, and 1.10 on).

Dify is a platform and not a package, so this is its behaviour and not its code: registration as "Dify" without a secret,
PKCE, no `resource` parameter, no `iss` that is looked at, a callback on another host, the discovery of its time, and a
new MCP connection per call with id 0 and no version header.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from . import browser

CALLBACK = "https://dify.example.com/console/api/mcp/oauth/callback"
SECONDS = 20


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def send(method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None) -> Answer:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
    try:
        target = place.path + (f"?{place.query}" if place.query else "")
        connection.request(method, target, body, {"User-Agent": "Dify", **(headers or {})})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def form(url: str, **fields: str) -> Answer:
    return send("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(fields))


class Dify:
    """One provider in one workspace."""

    def __init__(self, url: str, key: str, protocol: str) -> None:
        self.url, self.key, self.protocol = url, key, protocol
        self.token = ""
        self.requests: list[str] = []

    def discover(self) -> tuple[dict[str, Any], str | None]:
        """Where the endpoints are, and the scope that is asked for."""
        place = urlsplit(self.url)
        origin = f"{place.scheme}://{place.netloc}"
        challenge = self._rpc("initialize", {}).headers.get("WWW-Authenticate", "")
        named = re.search(r'resource_metadata="([^"]+)"', challenge)
        scope = re.search(r'scope="([^"]+)"', challenge)
        well_known = f"{origin}/.well-known/oauth-protected-resource"
        if self.protocol == "2025-03-26":
            # 1.6 to 1.9 look at the root, and ask for no scope.
            resource = self._first([well_known])
            return self._first(self._servers(resource)), None
        resource = self._first([*([named[1]] if named else []), f"{well_known}{place.path}", well_known])
        return self._first(self._servers(resource)), scope[1] if scope else " ".join(resource.get("scopes_supported", [])) or None

    @staticmethod
    def _servers(resource: dict[str, Any]) -> list[str]:
        server = urlsplit(resource["authorization_servers"][0])
        root, path = f"{server.scheme}://{server.netloc}", server.path.rstrip("/")
        spellings = ["oauth-authorization-server", "openid-configuration"]
        urls = [f"{root}/.well-known/{name}" for name in spellings]
        return [*urls, *([f"{root}/.well-known/openid-configuration{path}", f"{root}/.well-known/oauth-authorization-server{path}"] if path else [])]

    def _first(self, urls: list[str]) -> dict[str, Any]:
        for url in urls:
            answer = send("GET", url, {"MCP-Protocol-Version": self.protocol})
            self.requests.append(f"GET {urlsplit(url).path} {answer.status}")
            if answer.status == 200:
                return answer.json()
            if answer.status != 404:
                raise AssertionError(f"{url} answered {answer.status}; Dify goes on after a 404 only")
        raise AssertionError(f"none of {urls} is there")

    def connect(self) -> dict[str, Any]:
        """From the first 401 to a refreshed token; what was seen on the way."""
        server, scope = self.discover()
        if "authorization_code" not in server["grant_types_supported"] or "code" not in server["response_types_supported"]:
            raise AssertionError(f"Dify finds no grant it knows: {server}")
        metadata = {
            "client_name": "Dify",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "client_uri": "https://github.com/langgenius/dify",
        }
        registered = send("POST", server["registration_endpoint"], {"Content-Type": "application/json"}, json.dumps(metadata))
        client = registered.json()
        if registered.status not in (200, 201) or client.get("redirect_uris") != [CALLBACK] or client.get("client_secret"):
            raise AssertionError(f"the registration was answered {registered.status} {client}")
        verifier = secrets.token_urlsafe(40)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        state = secrets.token_urlsafe(32)
        asked = {"response_type": "code", "client_id": client["client_id"], "code_challenge": challenge, "code_challenge_method": "S256"}
        asked |= {"redirect_uri": CALLBACK, "state": state, **({"scope": scope} if scope else {})}
        location = browser.consent(f"{server['authorization_endpoint']}?{urlencode(asked)}", {"key": self.key})
        answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        if not location.startswith(f"{CALLBACK}?") or answer.get("state") != state:
            raise AssertionError(f"the answer went to {location}")
        tokens = self._tokens(
            form(server["token_endpoint"], grant_type="authorization_code", client_id=client["client_id"], code=answer["code"], code_verifier=verifier, redirect_uri=CALLBACK)
        )
        self.token = tokens["access_token"]
        return {"server": server, "client": client, "tokens": tokens}

    def refresh(self, seen: dict[str, Any]) -> None:
        """Without a resource, as at the start."""
        answer = form(seen["server"]["token_endpoint"], grant_type="refresh_token", client_id=seen["client"]["client_id"], refresh_token=seen["tokens"]["refresh_token"])
        tokens = self._tokens(answer)
        if tokens["access_token"] == self.token:
            raise AssertionError("the refreshed token is the old one")
        self.token = tokens["access_token"]

    @staticmethod
    def _tokens(answer: Answer) -> dict[str, Any]:
        if answer.status != 200 or "application/json" not in answer.headers.get("Content-Type", ""):
            raise AssertionError(f"the token endpoint answered {answer.status} {answer.text}")
        tokens = answer.json()
        if not tokens.get("access_token") or not tokens.get("refresh_token") or str(tokens.get("token_type")).lower() != "bearer":
            raise AssertionError(f"a token is missing: {sorted(tokens)}")
        return tokens

    def visit(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """A connection of its own for the list, and one for the call."""
        for request in ("tools/list", "tools/call"):
            hello = self._rpc("initialize", {"protocolVersion": self.protocol, "capabilities": {}, "clientInfo": {"name": "Dify", "version": "1.0"}}, 0).json()
            if hello["result"]["protocolVersion"] != self.protocol:
                raise AssertionError(f"the revision is {hello['result']['protocolVersion']}")
            self._rpc("notifications/initialized", None, None)
            if request == "tools/list":
                tools = [tool["name"] for tool in self._rpc(request, None, 1).json()["result"]["tools"]]
        return {"tools": tools, "outcome": self._rpc("tools/call", {"name": tool, "arguments": arguments}, 1).json().get("result")}

    def _rpc(self, method: str, params: dict[str, Any] | None, number: int | None = 0) -> Answer:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        message = {"jsonrpc": "2.0", "method": method, **({"id": number} if number is not None else {}), **({"params": params} if params is not None else {})}
        return send("POST", self.url, headers, json.dumps(message))
