"""Drives the Python SDK `mcp` 2.x: reads targets on stdin, writes one JSON line per target with what the client saw."""

import asyncio
import json
import sys

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


def plain(value):
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def call(client, case):
    try:
        return {"result": plain(await client.call_tool(case["tool"], case["arguments"]))}
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message}}


async def visit(server, target, seen):
    async with Client(server, mode=target["mode"]) as client:
        seen["protocol"] = client.protocol_version
        seen["server"] = plain(client.server_info) if client.server_info else None
        seen["instructions"] = client.instructions
        seen["tools"] = [plain(tool) for tool in (await client.list_tools()).tools]
        seen["resources"] = len((await client.list_resources()).resources)
        seen["templates"] = len((await client.list_resource_templates()).resource_templates)
        seen["prompts"] = len((await client.list_prompts()).prompts)
        seen["outcomes"] = [await call(client, case) for case in target["calls"]]


async def over_http(target, seen):
    async def note(response):
        seen["statuses"].append(response.status_code)

    async with httpx2.AsyncClient(headers=target["headers"], timeout=30, event_hooks={"response": [note]}) as http:
        await visit(streamable_http_client(target["url"], http_client=http), target, seen)


async def one(target, seconds):
    seen = {"label": target["label"], "statuses": []}
    try:
        async with asyncio.timeout(seconds):
            if "url" in target:
                await over_http(target, seen)
            else:
                command, *args = target["command"]
                await visit(StdioServerParameters(command=command, args=args, env=target["env"]), target, seen)
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
