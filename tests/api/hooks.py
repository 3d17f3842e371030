"""What schemathesis does here besides its own: it begins with requests that are known to be good, and notes every answer.

run.py names this file and two others in the environment: API_TESTS_KNOWN holds the requests by operation (clinic.py) and
what the run stands on, and API_TESTS_ANSWERED gets a line for each answer: the operation, the status, and the headers that
the document is to speak of.
"""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import schemathesis

KNOWN = json.loads(Path(os.environ["API_TESTS_KNOWN"]).read_text())
ANSWERED = Path(os.environ["API_TESTS_ANSWERED"]).open("a", buffering=1)
#: Headers of answers that the document speaks of where they come.
SPOKEN_OF = ("content-disposition", "etag", "idempotency-replayed", "location", "retry-after", "www-authenticate")
#: A request is done once under a name. What is made up is often made up twice, and would get the answer to something else.
NUMBERS = itertools.count(1)


@schemathesis.hook
def before_add_examples(context: Any, examples: list[Any]) -> None:
    """Adds what is known to be good, so that every operation is seen doing what it is for."""
    for known in KNOWN["requests"].get(context.operation.label, []):
        body = {"body": known["body"], "media_type": "application/json"} if "body" in known else {}
        parts = {"path_parameters": known.get("path"), "query": known.get("query"), "headers": known.get("headers")}
        examples.append(context.operation.Case(**{name: part for name, part in parts.items() if part}, **body))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Keeps the run going: ids that answers held are asked about as well, and nothing is to happen to what it stands on.

    And gives every name of a request that is a good one another ending. That the same one is done once, tests/it shows.
    """
    if case.method.upper() != "GET":
        for name, value in (case.path_parameters or {}).items():
            if value in KNOWN["kept"]:
                case.path_parameters[name] = "nobody"
    name = (case.headers or {}).get("Idempotency-Key")
    if isinstance(name, str) and 0 < len(name) <= 128 and all("!" <= letter <= "~" for letter in name):
        case.headers["Idempotency-Key"] = f"{name[:100]}-{next(NUMBERS)}"


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Notes an answer."""
    came = [name for name in SPOKEN_OF if name in {sent.lower() for sent in response.headers}]
    # What is asked with another method than the operation's own is no answer of the operation.
    if case.method.upper() == case.operation.method.upper():
        ANSWERED.write(json.dumps([case.operation.label, response.status_code, came]) + "\n")
