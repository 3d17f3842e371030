"""Drives the Python SDK `mcp` 1.x: reads targets on stdin, writes one JSON line per target with what the client saw."""

import asyncio
import json
import sys

import httpx
from mcp import ClientSession, McpError
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


def plain(value):
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def call(session, case):
    try:
        return {"result": plain(await session.call_tool(case["tool"], case["arguments"]))}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def visit(streams, target, seen):
    async with streams as (read, write, *_), ClientSession(read, write) as session:
        hello = await session.initialize()
        seen["protocol"] = str(hello.protocolVersion)
        seen["server"] = plain(hello.serverInfo)
        seen["instructions"] = hello.instructions
        await session.send_ping()
        seen["tools"] = [plain(tool) for tool in (await session.list_tools()).tools]
        seen["resources"] = len((await session.list_resources()).resources)
        seen["templates"] = len((await session.list_resource_templates()).resourceTemplates)
        seen["prompts"] = len((await session.list_prompts()).prompts)
        seen["outcomes"] = [await call(session, case) for case in target["calls"]]


async def over_http(target, seen):
    async def note(response):
        seen["statuses"].append(response.status_code)

    def client(headers=None, timeout=30, auth=None):
        return httpx.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks={"response": [note]})

    if target.get("transport") == "sse":
        await visit(sse_client(target["url"], headers=target["headers"], httpx_client_factory=client), target, seen)
        return
    async with client(target["headers"]) as http:
        await visit(streamable_http_client(target["url"], http_client=http), target, seen)


async def one(target, seconds):
    seen = {"label": target["label"], "statuses": []}
    try:
        async with asyncio.timeout(seconds):
            if "url" in target:
                await over_http(target, seen)
            else:
                command, *args = target["command"]
                await visit(stdio_client(StdioServerParameters(command=command, args=args, env=target["env"])), target, seen)
    except BaseException as error:
        seen["failure"] = describe(error)
    print(json.dumps(seen, ensure_ascii=False), flush=True)


def describe(error):
    parts = getattr(error, "exceptions", None)
    return "; ".join(map(describe, parts)) if parts else f"{type(error).__name__}: {error}"


async def main():
    plan = json.load(sys.stdin)
    for target in plan["targets"]:
        await one(target, plan["seconds"])


asyncio.run(main())
