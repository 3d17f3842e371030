#!/usr/bin/env python3
"""Changes the configuration file of a daemon in the panel, in a real Chromium, starts the daemon anew from there, and stops it.

    python3 tests/browser/server.py --binary target/debug/anmei-mcp

The demonstration has no configuration file and does not start anew; this is the daemon as it is installed. run.py says
what it needs.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import axe  # noqa: E402
from cases import check, each, main  # noqa: E402
from chromium import Chromium  # noqa: E402
from clinic import ROOT, Site  # noqa: E402
from person import LOOKS, PASSWORD, Person  # noqa: E402

LOGIN = "mei"
MOST = "/panel/server/config/http.max_connections"
LISTEN = "/panel/server/config/admin.listen"


def a_restart(command: str, site: Site) -> None:
    site.cli("account", "add", LOGIN, "--roles", "admin", "--tier", "internal", "--panel-role", "administrator", password=PASSWORD)
    with Chromium(command) as browser:
        person = Person(browser, site, axe.source(ROOT / "target" / "browser"))
        browser.look(*LOOKS[0][:3])
        person.open("/panel/server")
        person.signs_in(LOGIN)
        person.expect("/panel/server")
        person.looks_well("server-can-restart")
        writes(person)
        # The system chose the port; only one that is written down is the same after the start.
        person.open(LISTEN)
        person.fill({"value": site.admin.removeprefix("http://")})
        person.send(LISTEN)
        starts_anew(person)
        stops(person, site)


def writes(person: Person) -> None:
    """A mistake, a file that was changed meanwhile, and what the next start will read."""
    person.open(MOST)
    person.looks_well("server-key", LOOKS)
    person.fill({"value": "many"})
    person.is_refused(MOST)
    check(person.text("#wrong-value") and person.value("#f-value") == "many", f"the mistake is not told beside its field: {person.text('main')[-600:]}")
    person.looks_well("server-key-refused")
    person.demo.edit_config("# Somebody was here.\n")
    person.fill({"value": "321"})
    person.is_refused(MOST, 412)
    check(person.value("#f-value") == "321", "what was typed is lost")
    person.looks_well("server-key-stale")
    person.send(MOST)
    person.expect("/panel/server/config", "321")
    person.looks_well("server-config-pending")


def starts_anew(person: Person) -> None:
    """The page waits for the daemon, and goes on when it answers with what was written."""
    browser = person.browser
    person.open("/panel/server")
    check(person.text("main .warning"), "nothing says that the file was changed")
    browser.tick("#f-sure")
    person.send("/panel/server/restart")
    check(browser.evaluate("document.querySelectorAll('[data-wait-for]').length") == 1, f"nothing waits: {person.text('main')[:400]}")
    person.looks_well("server-restarting")
    browser.wait("location.pathname === '/panel/server' && document.readyState === 'complete' && document.querySelector('.said')", 30)
    # While nobody listens the browser says so, each time the page asks.
    browser.errors = [error for error in browser.errors if not ("/readyz" in error and ("ERR_CONNECTION" in error or "status of 503" in error))]
    check(not person.text("main > .warning"), f"something still waits for a start: {person.text('main')[:600]}")
    person.open(MOST)
    check("321" in person.text("dl.facts dd"), f"what was written is not in force: {person.text('main')[:400]}")
    person.calm()


def stops(person: Person, site: Site) -> None:
    """What is asked is confirmed, and the process ends as one that was told to."""
    person.open("/panel/server")
    person.browser.tick("#f-stop")
    person.send("/panel/server/stop")
    check(person.browser.evaluate("document.querySelectorAll('[data-wait-for]').length") == 1, f"nothing waits: {person.text('main')[:400]}")
    person.looks_well("server-stopping")
    code = site.ended()
    check(code == 0, f"the daemon ended with {code}")


def run(command: str, binary: Path) -> tuple[int, int]:
    return each(binary, {"server, a restart": functools.partial(a_restart, command)})


if __name__ == "__main__":
    sys.exit(main(__doc__, run))
