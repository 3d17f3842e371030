"""Judges what a client saw: the same rules for every client, transport and era."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .sample import Case

#: Keywords that some hosts cannot follow: everything is inlined.
NOT_PORTABLE = ("$ref", "$defs", "definitions")


def listing(tools: list[dict[str, Any]], expected: list[str], definitions: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the answer to `tools/list`."""
    names = [tool.get("name") for tool in tools]
    problems = [] if names == expected else [f"the list is {names}; expected {expected}"]
    for tool in tools:
        name = tool.get("name", "?")
        definition = definitions.get(name, {})
        problems += [f"{name}: no {field}" for field in ("title", "description", "inputSchema", "outputSchema", "annotations") if not tool.get(field)]
        for field in ("inputSchema", "outputSchema"):
            schema = tool.get(field) or {}
            if schema.get("type") != "object":
                problems.append(f"{name}: {field} is no object's")
            problems += [f"{name}: {field} has {keyword}" for keyword in NOT_PORTABLE if keyword in keys(schema)]
            if schema != definition.get(field):
                problems.append(f"{name}: {field} is not the tool's own: {json.dumps(schema, ensure_ascii=False)[:300]}")
        hints = tool.get("annotations") or {}
        problems += [f"{name}: no {hint}" for hint in ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint") if not isinstance(hints.get(hint), bool)]
    return problems


def keys(value: Any) -> set[str]:
    """Every key at any depth."""
    found: set[str] = set()
    if isinstance(value, dict):
        found.update(value)
    for child in children(value):
        found |= keys(child)
    return found


def children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def outcome(case: Case, seen: dict[str, Any]) -> list[str]:
    """What is wrong with the outcome of a call: `{"result": …}` or `{"error": {"message": …}}`."""
    if case.expect == "error":
        message = str((seen.get("error") or {}).get("message", ""))
        return unsaid(case, message) if "error" in seen else [f"expected an error of the protocol: {seen}"]
    result = seen.get("result")
    if not isinstance(result, dict):
        return [f"no result: {seen}"]
    text = "\n".join(block.get("text", "") for block in result.get("content", []) if block.get("type") == "text")
    if case.expect == "refused":
        problems = [] if result.get("isError") is True else [f"expected an error result: {result}"]
        return problems + unsaid(case, text)
    if result.get("isError"):
        return [f"it is an error: {text}"]
    structured = result.get("structuredContent")
    if not isinstance(structured, dict):
        return [f"no structuredContent: {result}"]
    return same_text(text, structured) + differences(case.facts or {}, structured)


def unsaid(case: Case, text: str) -> list[str]:
    return [f"`{word}` is not said: {text}" for word in case.says if word not in text]


def same_text(text: str, structured: dict[str, Any]) -> list[str]:
    try:
        return [] if json.loads(text) == structured else [f"the text differs from structuredContent: {text}"]
    except json.JSONDecodeError:
        return [f"the text is not structuredContent as JSON: {text}"]


def differences(facts: dict[str, Any], structured: dict[str, Any]) -> list[str]:
    """Facts that do not hold. A fact is a value, or a function that judges it."""
    problems = []
    for path, fact in facts.items():
        value = at(structured, path)
        if not (fact(value) if callable(fact) else value == fact):
            wanted = getattr(fact, "__name__", "") if callable(fact) else repr(fact)
            problems.append(f"{path} is {value!r}; expected {wanted}: {json.dumps(structured, ensure_ascii=False)}")
    return problems


def at(value: Any, path: str) -> Any:
    """The value at a path such as `result.0.user_id`; None when there is none."""
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
