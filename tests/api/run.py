#!/usr/bin/env python3
"""Asks the admin API of a built binary everything its own OpenAPI document allows, and what it does not.

    python3 tests/api/run.py --binary target/debug/anmei-mcp [--seconds 120] [--seed 1]

A daemon is started on a directory of its own with a sample clinic in it, and clinic.py adds some of everything else there
can be. Schemathesis reads the served openapi.json and asks every operation in the name of an administrator, and the
operations only an auditor may ask in the name of an auditor: first what is known to be good, then with every border of every
schema, and with what it makes up, good and bad. No answer may be a 5xx, none may be one the document does not say (status,
media type, headers, body), and nothing that does not fit may be taken. Every operation must have done what it is for once,
and its answers must have carried the headers that the document says they carry. What it needs is installed below
target/api-tests at the versions of python.txt. The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests" / "clients"))
sys.path.insert(0, str(HERE))

from checks import toolchain  # noqa: E402
from checks.daemon import COMMAND_SECONDS, Daemon, environment  # noqa: E402
from checks.report import Report  # noqa: E402
from clinic import HOOK_KEY, PASSWORD, Clinic, Receiver, login_of  # noqa: E402

TAIL = "/api/v1/calls/tail"
#: Not asked, each for its reason. There may be fewer of them, never more: MOST_EXCLUDED is lowered with each that goes.
EXCLUDED = {
    "/api/v1/server/restart": "would end the daemon that everything else is asked of",
    "/api/v1/server/stop": "would end the daemon that everything else is asked of",
    TAIL: "never ends by itself within the time of a request; tests/it/admin_calls.rs reads it",
}
MOST_EXCLUDED = 3
#: Operations that are asked and that nothing here brings to do what they are for, each for its reason. The same holds for them.
NEVER_DONE: dict[str, str] = {}
MOST_NEVER_DONE = 0
METHODS = ("get", "put", "post", "patch", "delete")
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
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
    with Receiver() as receiver, tempfile.TemporaryDirectory(prefix="anmei-mcp-api-") as directory:
        # A file of its own, so that there is one to change.
        (Path(directory) / "anmei-mcp.toml").write_text('[log]\nfilter = "info"\n')
        settings = (f"hook.key={HOOK_KEY}", f"outbound.webhook_url={receiver.root}/events", f"outbound.webhook_secret={WEBHOOK_SECRET}")
        with Daemon(binary, Path(directory), settings) as daemon:
            everything(report, Asked(python, Path(directory), options), daemon, receiver)
    return report.close()


def everything(report: Report, asked: Asked, daemon: Daemon, receiver: Receiver) -> None:
    """Fills the clinic, and asks everything."""
    run = json.loads((daemon.data / "run.json").read_text())
    tokens = {role: token(daemon, role) for role in ("administrator", "auditor")}
    document = fetch(run["admin"], "/api/v1/openapi.json", tokens["administrator"])
    report.check("the document is OpenAPI 3.1 and says how to sign in", check_document(document))
    report.check("what is not asked because it does not end does not end", ends(run["admin"], tokens["administrator"]))
    clinic = Clinic(daemon, run, tokens, receiver)
    clinic.fill()
    # The auditor first: an administrator may take anybody's account away, and does.
    for role, part, share in (("auditor", ("--include-path-regex", AUDITOR), 0.1), ("administrator", ("--exclude-path-regex", AUDITOR), 0.9)):
        if role == "administrator":
            # One-time codes end soon: not before they are needed.
            clinic.me()
        asked.about(run["admin"], clinic)
        report.stage(f"as {role}", lambda role=role, part=part, share=share: report.check(f"every answer to an {role} is one of the document's", asked.run(tokens[role], part, share)))
        report.check(f"the {role} is still let in", let_in(run["admin"], tokens[role]))
    report.check("what is known to be good is about operations of the document", strangers(document, clinic.known))
    answered = Answered(document, asked.answered, asked.options.only)
    report.check("every operation did what it is for", answered.never_done())
    report.check("answers carry the headers that the document says they carry", answered.headers())
    report.check("the daemon stops in order, and nothing in it panicked", stopped(daemon))


class Asked:
    """Runs schemathesis."""

    def __init__(self, python: Path, directory: Path, options: argparse.Namespace) -> None:
        self.python, self.directory, self.options = python, directory, options
        self.root = ""
        self.config, self.known, self.answered = (directory / name for name in ("schemathesis.toml", "known.json", "answered.jsonl"))

    def about(self, root: str, clinic: Clinic) -> None:
        """Writes down where the API is and what there is to ask about."""
        self.root = root
        self.known.write_text(json.dumps({"requests": clinic.known, "kept": clinic.kept()}))
        # Half of what is named is there: else nothing but 404 would be seen. What is changed is mostly what is there.
        dictionaries, parameters = ['[dictionaries.version]\nvalues = ["*"]'], ['[parameters]\n"header.If-Match" = { dictionary = "version", probability = 0.7 }']
        for number, (operation, names) in enumerate(clinic.words().items()):
            dictionaries += [f"[dictionaries.{name}-{number}]\nvalues = {json.dumps(values)}" for name, values in names.items()]
            bound = ", ".join(f'"path.{name}" = {{ dictionary = "{name}-{number}", probability = 0.5 }}' for name in names)
            parameters += [f"[[operations]]\ninclude-name = {json.dumps(operation)}\nparameters = {{ {bound} }}"] if bound else []
        self.config.write_text("\n".join(dictionaries + parameters) + "\n")

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
        hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "API_TESTS_KNOWN": str(self.known), "API_TESTS_ANSWERED": str(self.answered), "PYTHONDONTWRITEBYTECODE": "1"}
        env = {**environment(self.directory), **hooks}
        done = subprocess.run(line, capture_output=True, text=True, timeout=options.seconds * 3 + 120, cwd=self.directory, stdin=subprocess.DEVNULL, env=env, check=False)
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


def token(daemon: Daemon, role: str) -> str:
    """An account of a role, and a token of it."""
    login = login_of(role)
    add = [str(daemon.binary), "account", "add", login, "--roles", "admin", "--tier", "internal", "--panel-role", role, "--data-dir", str(daemon.data)]
    env = {**environment(daemon.data.parent), "ANMEI_MCP_ACCOUNT_PASSWORD": PASSWORD}
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
    wrong += exceptions("EXCLUDED", EXCLUDED, MOST_EXCLUDED) + exceptions("NEVER_DONE", NEVER_DONE, MOST_NEVER_DONE)
    return wrong + [f"{path} is not asked and not there" for path in EXCLUDED if path not in document["paths"]]


def exceptions(name: str, listed: dict[str, str], most: int) -> list[str]:
    """A list of exceptions only becomes shorter."""
    if len(listed) == most:
        return []
    return [f"{name} has {len(listed)} entries and MOST_{name} is {most}: lower it with what went; what is new is asked, it is no exception"]


def ends(root: str, bearer: str) -> list[str]:
    """The tail is excepted for as long as there is a reason."""
    request = urllib.request.Request(f"{root}{TAIL}", headers={"Authorization": f"Bearer {bearer}"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            answer.read()
    except TimeoutError:
        return []
    return [f"{TAIL} ends by itself: take it out of EXCLUDED"]


def operations(document: dict) -> dict[str, dict]:
    """The operations that are asked, by method and path."""
    asked = ((path, item) for path, item in document["paths"].items() if path not in EXCLUDED)
    return {f"{method.upper()} {path}": operation for path, item in asked for method, operation in item.items() if method in METHODS}


def strangers(document: dict, known: dict[str, list]) -> list[str]:
    return [f"there is no {operation}: its line in clinic.py is about nothing" for operation in known if operation not in operations(document)]


class Answered:
    """What came of everything that was asked."""

    def __init__(self, document: dict, notes: Path, only: str | None) -> None:
        self.operations = {name: operation for name, operation in operations(document).items() if not only or re.search(only, name.split(" ")[1])}
        #: For each operation and status the headers of each answer.
        self.came: dict[str, dict[str, list[set[str]]]] = {name: {} for name in self.operations}
        for line in notes.read_text().splitlines() if notes.exists() else []:
            name, status, headers = json.loads(line)
            if name in self.came:
                self.came[name].setdefault(str(status), []).append(set(headers))

    def never_done(self) -> list[str]:
        """Operations that never answered with a success; what is excepted and did is named as well."""
        done = {name for name, answers in self.came.items() if any(status.startswith("2") for status in answers)}
        seen = {name: ", ".join(f"{status} ({len(headers)})" for status, headers in sorted(answers.items())) for name, answers in self.came.items()}
        never = [f"{name} never did: {seen[name] or 'it was not asked'}" for name in self.came if name not in done and name not in NEVER_DONE]
        return never + [f"{name} is in NEVER_DONE and did: take it out" for name in NEVER_DONE if name in done]

    def headers(self) -> list[str]:
        """Headers that came undescribed, and those that are described and never came. A repeated request is the business of tests/it."""
        wrong = []
        for name, answers in self.came.items():
            for status, carried in answers.items():
                described = {header.lower() for header in self.operations[name]["responses"].get(status, {}).get("headers", {})}
                came = set().union(*carried)
                wrong += [f"{name}: {header} came with {status} undescribed" for header in sorted(came - described)]
                wrong += [f"{name}: {header} is described for {status} and never came" for header in sorted(described - came - {"idempotency-replayed"})]
        return wrong


def stopped(daemon: Daemon) -> list[str]:
    """Errors in the log are its business; a panic is ours."""
    said = daemon.stop()
    log = (daemon.data.parent / "serve.log").read_text(errors="replace")
    panics = [line for line in log.splitlines() if "panicked" in line]
    return panics[:3] + [line for line in said if "ended" in line]


if __name__ == "__main__":
    sys.exit(main())
