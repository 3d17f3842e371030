"""The OAuth client of the Python SDK `mcp` 1.x: discovery, registration, consent, token, calls, refresh."""

import asyncio
import json
import os
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

CALLBACK = "http://127.0.0.1:33418/callback"


def plain(value):
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


class Memory(TokenStorage):
    def __init__(self):
        self.tokens, self.client, self.history = None, None, []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.history.append(plain(tokens))

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def visit(http, plan, seen):
    async with streamable_http_client(plan["url"], http_client=http) as (read, write, *_), ClientSession(read, write) as session:
        hello = await session.initialize()
        seen["protocol"] = str(hello.protocolVersion)
        tools = [tool.name for tool in (await session.list_tools()).tools]
        outcome = plain(await session.call_tool(plan["tool"], plan["arguments"]))
        return {"tools": tools, "outcome": outcome}


async def main():
    plan = json.load(sys.stdin)
    seen = {"requests": []}
    memory, answer = Memory(), {}

    async def open_browser(url):
        seen["authorize"] = url
        done = await asyncio.to_thread(subprocess.run, [plan["python"], plan["browser"], url], capture_output=True, text=True, env={**os.environ, "STAND_IN_KEY": plan["key"]})
        if done.returncode:
            raise RuntimeError(done.stderr[-1500:])
        answer.update({name: values[0] for name, values in parse_qs(urlsplit(done.stdout.strip()).query).items()})

    async def wait_for_callback():
        return answer["code"], answer["state"]

    provider = OAuthClientProvider(
        plan["url"],
        OAuthClientMetadata(client_name="Python SDK 1.x", redirect_uris=[CALLBACK], token_endpoint_auth_method="none"),
        memory,
        open_browser,
        wait_for_callback,
    )

    async def note(response):
        seen["requests"].append(f"{response.request.method} {response.request.url.path} {response.status_code}")

    try:
        async with httpx.AsyncClient(auth=provider, timeout=30, event_hooks={"response": [note]}) as http:
            seen["first"] = await visit(http, plan, seen)
            # As after half an hour: the client finds its token expired, and refreshes.
            provider.context.token_expiry_time = time.time() - 1
            seen["second"] = await visit(http, plan, seen)
        seen["client"], seen["tokens"], seen["answer"] = plain(memory.client), memory.history, answer
    except BaseException as error:
        seen["failure"] = describe(error)
    print(json.dumps(seen, ensure_ascii=False))


def describe(error):
    parts = getattr(error, "exceptions", None)
    return "; ".join(map(describe, parts)) if parts else f"{type(error).__name__}: {error}"


asyncio.run(main())
