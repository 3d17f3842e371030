#!/usr/bin/env python3
"""Asks the admin API of a built binary everything its own OpenAPI document allows, and what it does not.

    python3 tests/api/run.py --binary target/debug/anmei-mcp [--seconds 120] [--seed 1]

A daemon is started on a directory of its own with a sample clinic, calls and registrations in it. Schemathesis reads the
served openapi.json and asks every operation in the name of an administrator, and the operations only an auditor may ask in
the name of an auditor: with examples, with every border of every schema, and with what it makes up, good and bad. No answer
may be a 5xx, none may be one the document does not say (status, media type, headers, body), and nothing that does not fit
may be taken. What it needs is installed below target/api-tests at the versions of python.txt. The last line is
`N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from checks import toolchain  # noqa: E402
from checks.daemon import COMMAND_SECONDS, Daemon, environment  # noqa: E402
from checks.report import Report  # noqa: E402

HOOK_KEY = "hook-key-of-the-tests-0123456789"
#: Not asked, each for its reason. There may be fewer of them, never more.
EXCLUDED = {
    "/api/v1/server/restart": "would end the daemon that everything else is asked of",
    "/api/v1/calls/tail": "never ends by itself within the time of a request; tests/it/admin_calls.rs reads it",
}
#: Asked in an auditor's name: nobody else has the right.
AUDITOR = r"/(bodies|words)$"
#: Not asked for: missing_required_header, which wants one of 400, 401, 403, 406, 415 and 422 where RFC 6585 says 428.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "debug" / "anmei-mcp", help="what to check [default: target/debug/anmei-mcp]")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "api-tests", help="where schemathesis is installed [default: target/api-tests]")
    parser.add_argument("--seconds", type=int, default=120, help="how long it may ask in all [default: 120]")
    parser.add_argument("--seed", type=int, default=1, help="what is made up follows from it [default: 1]")
    parser.add_argument("--examples", type=int, default=25, help="requests made up for each operation at most [default: 25]")
    parser.add_argument("--only", metavar="REGEX", help="only operations whose path fits")
    return parser.parse_args()


def main() -> int:
    # Told to stop, it still stops the daemon.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    binary = options.binary.resolve()
    if not binary.is_file():
        raise SystemExit(f"there is no {binary}; build it first")
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    python = toolchain.python(work / "python", HERE / "python.txt")
    report = Report()
    settings = (f"hook.key={HOOK_KEY}",)
    with tempfile.TemporaryDirectory(prefix="anmei-mcp-api-") as directory, Daemon(binary, Path(directory), settings) as daemon:
        run = json.loads((daemon.data / "run.json").read_text())
        register(run["hook"])
        tokens = {role: token(daemon, role) for role in ("administrator", "auditor")}
        document = fetch(run["admin"], "/api/v1/openapi.json", tokens["administrator"])
        report.check("the document is OpenAPI 3.1 and says how to sign in", check_document(document))
        asked = Asked(python, Path(directory), run["admin"], options, words(daemon, run["admin"], tokens["administrator"]))
        # The auditor first: an administrator may take anybody's account away, and does.
        for role, part, share in (("auditor", ("--include-path-regex", AUDITOR), 0.1), ("administrator", ("--exclude-path-regex", AUDITOR), 0.9)):
            report.stage(f"as {role}", lambda role=role, part=part, share=share: report.check(f"every answer to an {role} is one of the document's", asked.run(tokens[role], part, share)))
            report.check(f"the {role} is still let in", let_in(run["admin"], tokens[role]))
        report.check("the daemon stops in order, and nothing in it panicked", stopped(daemon))
    return report.close()


class Asked:
    """Runs schemathesis."""

    def __init__(self, python: Path, directory: Path, root: str, options: argparse.Namespace, known: dict[str, list[str]]) -> None:
        self.python, self.directory, self.root, self.options = python, directory, root, options
        self.config = directory / "schemathesis.toml"
        # Half of what is named is there: else nothing but 404 would be seen.
        lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in known.items() if values]
        lines += ["[parameters]"] + [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name, values in known.items() if values]
        self.config.write_text("\n".join(lines) + "\n")

    def run(self, token: str, part: tuple[str, ...], share: float) -> list[str]:
        """Asks a part of the document; says what was wrong."""
        options = self.options
        line = [str(self.python.parent / "st"), "--config-file", str(self.config), "run", f"{self.root}/api/v1/openapi.json", "--no-color"]
        line += ["--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
        line += ["--max-time", str(max(5, int(options.seconds * share))), "--max-examples", str(options.examples), "--seed", str(options.seed)]
        line += ["--workers", "1", "--request-timeout", "20", "--generation-database", "none", "--continue-on-failure", "--warnings", "off"]
        line += [word for path in EXCLUDED for word in ("--exclude-path", path)] + list(part)
        if options.only:
            line += ["--include-path-regex", options.only]
        done = subprocess.run(line, capture_output=True, text=True, timeout=options.seconds * 3 + 120, cwd=self.directory, stdin=subprocess.DEVNULL, env=environment(self.directory), check=False)
        print(tail(done.stdout, 30), flush=True)
        if done.returncode == 0:
            return []
        return problems(done.stdout) or [done.stdout[-3000:], done.stderr[-3000:]]


def problems(text: str) -> list[str]:
    """The failures of a run, one each."""
    body = text.split("= FAILURES =", 1)[-1].split("= SUMMARY =", 1)[0]
    found = re.split(r"\n_{5,} (.+?) _{5,}\n", body)
    return [f"{title}\n{part.strip()}" for title, part in zip(found[1::2], found[2::2])]


def tail(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])


def register(root: str) -> None:
    """Three registrations, which get their welcome from the template: there is no agent."""
    for number, name in enumerate(("张伟", "李娜", "<script>alert(1)</script>")):
        body = {"user_id": f"usr_api_{number}", "username": name, "email": f"a{number}@example.com", "phone": f"1380013800{number}"}
        headers = {"Authorization": f"Bearer {HOOK_KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{root}/hooks/registration", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status in (200, 202), answer.status
    time.sleep(2)


def token(daemon: Daemon, role: str) -> str:
    """An account of a role, and a token of it."""
    login = f"api-{role}"
    add = [str(daemon.binary), "account", "add", login, "--roles", "admin", "--tier", "internal", "--panel-role", role, "--data-dir", str(daemon.data)]
    env = {**environment(daemon.data.parent), "ANMEI_MCP_ACCOUNT_PASSWORD": "a quiet afternoon in May"}
    subprocess.run(add, check=True, capture_output=True, timeout=COMMAND_SECONDS, stdin=subprocess.DEVNULL, env=env)
    return json.loads(daemon.command("admin", "token", login, "--name", "api tests", "--role", role, "--json"))["token"]


def let_in(root: str, bearer: str) -> list[str]:
    """Whether a token is one still: without it, every answer would have been a 401."""
    try:
        fetch(root, "/api/v1/me", bearer)
    except urllib.error.HTTPError as error:
        return [f"it gets {error.code}: what was asked last was refused at the door"]
    return []


def fetch(root: str, path: str, bearer: str) -> dict:
    request = urllib.request.Request(f"{root}{path}", headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def check_document(document: dict) -> list[str]:
    """What every document of ours says, and that what is not asked is there."""
    wrong = [] if document["openapi"].startswith("3.1") else [f"openapi is {document['openapi']}"]
    wrong += [] if document.get("security") else ["no security"]
    return wrong + [f"{path} is not asked and not there" for path in EXCLUDED if path not in document["paths"]]


def words(daemon: Daemon, root: str, bearer: str) -> dict[str, list[str]]:
    """Names and ids of what there is, by the names of the parameters."""

    def ids(path: str, field: str) -> list[str]:
        return [str(item[field]) for item in fetch(root, path, bearer)["items"][:5]]

    codes = list(daemon.groups)
    return {
        "server_code": codes,
        "name": sorted(daemon.tools)[:5],
        "call_id": ids("/api/v1/calls?limit=5", "call_id"),
        "id": ids("/api/v1/registrations?limit=3", "id") + ids("/api/v1/jobs?limit=3", "id") + ids("/api/v1/conversations?limit=3", "id"),
        "key": ["mcp.listen", "log.filter"],
    }


def stopped(daemon: Daemon) -> list[str]:
    """Errors in the log are its business; a panic is ours."""
    said = daemon.stop()
    log = (daemon.data.parent / "serve.log").read_text(errors="replace")
    panics = [line for line in log.splitlines() if "panicked" in line]
    return panics[:3] + [line for line in said if "ended" in line]


if __name__ == "__main__":
    sys.exit(main())
