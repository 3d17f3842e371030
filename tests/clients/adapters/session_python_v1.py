"""One handshake session of the Python SDK `mcp` 1.x: lists, calls, is told of a change, lists again, and ends it.

Reads targets on stdin, writes one JSON line per target with what the client saw. `change` is a command that changes the
policy; `seconds` is how long the client waits to be told.
"""

import asyncio
import json
import sys
import time

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ServerNotification, ToolListChangedNotification


def names(result):
    return [tool.name for tool in result.tools]


async def change(command, environment):
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"`{' '.join(command)}` ended with {process.returncode}")


async def until_listening(seen, seconds):
    """Only who holds a stream can be told."""
    async with asyncio.timeout(seconds):
        while ["GET", 200] not in seen["requests"]:
            await asyncio.sleep(0.02)


async def visit(target, seen):
    told = asyncio.Event()

    async def hear(message):
        if isinstance(message, ServerNotification) and isinstance(message.root, ToolListChangedNotification):
            told.set()

    async def note(response):
        seen["requests"].append([response.request.method, response.status_code])

    async with httpx.AsyncClient(headers=target["headers"], timeout=30, event_hooks={"response": [note]}) as http:
        async with streamable_http_client(target["url"], http_client=http) as (read, write, session_id):
            async with ClientSession(read, write, message_handler=hear) as session:
                hello = await session.initialize()
                seen["protocol"], seen["session"] = str(hello.protocolVersion), session_id()
                seen["before"] = names(await session.list_tools())
                seen["call"] = (await session.call_tool(target["tool"], target["arguments"])).model_dump(mode="json", by_alias=True)
                await until_listening(seen, target["seconds"])
                await change(target["change"], target["env"])
                began = time.monotonic()
                async with asyncio.timeout(target["seconds"]):
                    await told.wait()
                seen["told_after"] = time.monotonic() - began
                seen["after"] = names(await session.list_tools())


def describe(error):
    parts = getattr(error, "exceptions", None)
    return "; ".join(map(describe, parts)) if parts else f"{type(error).__name__}: {error}"


async def main():
    plan = json.load(sys.stdin)
    for target in plan["targets"]:
        seen = {"label": target["label"], "requests": []}
        try:
            async with asyncio.timeout(plan["seconds"]):
                await visit(target, seen)
        except BaseException as error:
            seen["failure"] = describe(error)
        print(json.dumps(seen, ensure_ascii=False), flush=True)


asyncio.run(main())
