#!/usr/bin/env python3
"""Works with the panel as its people do, in a real Chromium against the demonstration, and looks at every page of it.

    python3 tests/browser/panel.py --binary target/debug/anmei-mcp

First the work: an account by the setup link, a group, a key that is rotated, a tool that is tried, a registration that
is watched, retries that are spaced anew, a claim, edits that cross, a session that ends. Then every page that has a
route, in both languages, both colour schemes and two widths. Strangers' names are markup throughout, and must show as
text. The console stays silent, no other host is asked, axe-core finds nothing, and nothing is wider than the window.
Leaves screenshots in target/screenshots. Needs Debian's packages `chromium` and `npm`, and fonts-noto-cjk for readable
screenshots. The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.dont_write_bytecode = True

import axe  # noqa: E402
from cases import SCREENSHOTS, check, main, nothing_else  # noqa: E402
from chromium import Chromium  # noqa: E402
from clinic import ROOT, Demo  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)><b>VIP</b>"
LOGIN, PASSWORD = "mei", "a long pass phrase of the browser"
GROUP = "browser_group"
# Width, height, colours, and what the file's name ends in.
LOOKS = [(1280, 800, "light", ""), (1280, 800, "dark", "-dark"), (390, 844, "light", "-narrow"), (390, 844, "dark", "-narrow-dark")]
ZH, EN = "zh-CN", "en"
# Routes of the table that are no pages to look at: streams, files, parts of pages, and what redirects.
NO_PAGES = re.compile(r"/live$|^/panel/(assets/|calls/export|overview/charts|settings$)|^/panel$")
# Of these every instance is looked at, not only the first that is found.
ALL_OF = {"/panel/settings/{page}"}
# Pages to which no link leads; the work goes through them.
OUTSIDE = {"/panel/setup/{secret}", "/panel/sign-in", "/panel/confirm"}


def one_time_code(secret: str, steps_ahead: int = 0) -> str:
    """RFC 6238, as an authenticator app makes it."""
    counter = int(time.time()) // 30 + steps_ahead
    digest = hmac.new(base64.b32decode(secret + "=" * (-len(secret) % 8)), struct.pack(">Q", counter), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class Person:
    """Whoever sits before the browser, and what they see."""

    def __init__(self, browser: Chromium, demo: Demo, rules: str) -> None:
        self.browser, self.demo, self._rules = browser, demo, rules
        #: Where the work left something to see.
        self.places: list[str] = []

    def open(self, path: str) -> None:
        self.browser.open(path if path.startswith("http") else self.demo.admin + path, ZH)

    def path(self) -> str:
        return str(self.browser.evaluate("location.pathname + location.search"))

    def text(self, selector: str) -> str:
        return str(self.browser.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''"))

    def fill(self, fields: dict[str, str]) -> None:
        for name, value in fields.items():
            self.browser.type(f'main [name="{name}"]', value)

    def send(self, form: str, button: str = "button:not([type=button])") -> None:
        """Presses a form's button, and waits for the page that comes."""
        self.browser.follow(f'main form[action^="{form}"] {button}')

    def is_refused(self, form: str, status: int = 422) -> None:
        """Sends a form with a mistake in it: the page comes back and says so, and the browser notes its status."""
        self.send(form)
        noted = [error for error in self.browser.errors if f"status of {status}" in error and form in error]
        check(len(noted) == 1, f"{form} was not answered {status}: {self.browser.errors}")
        self.browser.errors.remove(noted[0])

    def expect(self, path: str, says: str = "") -> None:
        check(self.path().startswith(path), f"the page is {self.path()}, not {path}: {self.text('main')[:400]}")
        check(says in self.text("main"), f"{path} does not say {says!r}: {self.text('main')[:600]}")

    def calm(self) -> None:
        """Nothing was said on the console, nothing asked elsewhere, and no stranger's text became markup."""
        nothing_else(self.browser, self.demo.admin + "/")
        check(self.browser.evaluate("document.querySelectorAll('main img[src=\"x\"], main b').length") == 0, f"{self.path()}: a stranger's text became markup")

    def findings(self) -> list[str]:
        return axe.findings(self.browser, self._rules)


# ---- the work -------------------------------------------------------------------------------------------------------


def sets_up(person: Person) -> None:
    """The first account, with a second factor, and what a mistake looks like."""
    person.open(person.demo.setup_link)
    check(not person.findings(), f"setup: {person.findings()}")
    person.fill({"login": LOGIN, "display_name": HOSTILE, "password": PASSWORD, "again": "something else"})
    person.is_refused("/panel/setup/")
    check(person.text("#wrong-again"), "a password that differs is not told beside its field")
    check(person.browser.evaluate("document.querySelector('[name=login]').value") == LOGIN, "what was typed is lost")
    secret = str(person.browser.evaluate("document.querySelector('dl.facts code').textContent"))
    person.fill({"password": PASSWORD, "again": PASSWORD, "code": one_time_code(secret)})
    person.send("/panel/setup/")
    person.expect("/panel/setup/")
    codes = person.text("#once").split()
    check(len(codes) >= 8, f"recovery codes: {person.text('main')[:300]}")
    person.calm()
    person.browser.follow("main .actions a")
    check(person.path() == "/panel/?said=set-up", f"the first administrator is at {person.path()}")


def signs_in(person: Person, code: str) -> None:
    person.fill({"login": LOGIN, "password": PASSWORD, "code": code})
    person.send("/panel/sign-in")


def makes_a_group(person: Person) -> str:
    """Returns the path of its first key."""
    person.open("/panel/groups/new")
    person.fill({"server_code": "Not A Code!", "name": HOSTILE})
    person.is_refused("/panel/groups/new")
    check(person.text("#wrong-server_code"), f"a bad code is not told beside its field: {person.text('main')[:300]}")
    person.fill({"server_code": GROUP, "description": "浏览器里的分组"})
    for tool in ("get_user_profile", "search_users", "get_service_info"):
        person.browser.tick(f"#tool-{tool}")
    person.send("/panel/groups/new")
    person.demo.keys["old"] = person.text("#key-text")
    check(person.demo.keys["old"].startswith("mcp_key_"), f"no key: {person.text('main')[:300]}")
    person.open(f"/panel/groups/{GROUP}")
    person.calm()
    return str(person.browser.evaluate("document.querySelector('main table a[href*=\"/keys/\"]').getAttribute('href')"))


def a_users_id(person: Person) -> str:
    return person.demo.rows("SELECT id FROM users WHERE roles LIKE '%customer%' ORDER BY id LIMIT 1")[0][0]


def rotates(person: Person, key: str) -> None:
    """The old key goes on for its grace, and the page says who still uses it."""
    person.open(key)
    person.fill({"grace": "soon"})
    person.is_refused(f"{key}/rotate")
    check(person.browser.evaluate("document.querySelector('#rotate-grace').getAttribute('aria-invalid')") == "true", "a bad length of time is not told")
    person.fill({"grace": "2h"})
    person.send(f"{key}/rotate")
    new = person.text("#key-text")
    check(new.startswith("mcp_key_") and new != person.demo.keys["old"], f"no new key: {person.text('main')[:300]}")
    for text, client in ((person.demo.keys["old"], "laggard/1.0"), (new, "quick/1.0")):
        answer = person.demo.call(text, "get_user_profile", {"user_id": a_users_id(person)}, client)
        check("result" in answer, f"{client}: {answer}")
    until = time.monotonic() + 5
    while "laggard" not in person.text("main table"):
        check(time.monotonic() < until, f"the page does not say who still uses the old key: {person.text('main')[:600]}")
        person.open(key)
    person.calm()


def tries_a_tool(person: Person) -> None:
    """The form made of the schema: a mistake beside its field, then an answer, and the try in the log."""
    tool = f"/panel/groups/{GROUP}/tools/search_users"
    person.open(tool)
    person.fill({"args/query": "林", "args/limit": "many"})
    person.is_refused(f"{tool}/call")
    check(person.browser.evaluate("document.querySelector('#try ~ form [aria-invalid=true]')?.value") == "many", f"the mistake is not told beside its field: {person.text('main')[-900:]}")
    person.fill({"args/limit": "2"})
    person.send(f"{tool}/call")
    check("林" in person.text("#try-result"), f"the try has no result: {person.text('main')[-900:]}")
    until = time.monotonic() + 5
    while "search_users" not in person.text("main table"):
        check(time.monotonic() < until, "the try is not in the log")
        person.open("/panel/calls?channel=admin")
    person.calm()


def watches_a_registration(person: Person) -> str:
    """A run seen from its first second to its last without a reload. Returns its id."""
    registration = person.demo.register("usr_hostile", HOSTILE)
    person.open(f"/panel/registrations/{registration}")
    person.browser.evaluate("window.stays = true")
    person.browser.wait("document.querySelectorAll('.timeline li').length >= 6 && document.querySelector('.timeline').innerText.includes('get_user_profile')", 20)
    check(person.browser.evaluate("window.stays"), "the page was loaded anew")
    check(HOSTILE in person.text("h1"), f"the name is not shown as it is: {person.text('h1')}")
    person.places.append(person.path())
    person.calm()
    return registration


def spaces_retries(person: Person) -> None:
    """What the form says is what the next run does: two tries, 200 ms apart, then a dead letter."""
    person.open("/panel/settings/retry")
    person.fill({"retry.delays": "soon"})
    person.is_refused("/panel/settings/retry")
    wrong = person.text('[id="help-retry.delays"] .wrong')
    check(wrong and person.browser.evaluate("document.querySelector('[name=\"retry.delays\"]').value") == "soon", f"a bad setting is not told beside its field: {wrong}")
    person.fill({"retry.delays": "200ms", "retry.jitter": "0"})
    person.send("/panel/settings/retry")
    person.expect("/panel/settings/retry")
    person.demo.rows("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END")
    registration = person.demo.register("usr_retry", "周雨桐")
    person.open(f"/panel/registrations/{registration}")
    person.browser.wait("document.querySelector('main form[action$=\"/retry\"]')", 20)
    tries = person.demo.rows(f"SELECT started_at FROM registration_steps WHERE registration_id = '{registration}' AND state = 'failed' ORDER BY started_at")
    check(len(tries) == 2, f"with one wait there are two tries, not {len(tries)}")
    between = tries[1][0] - tries[0][0]
    check(200 <= between < 2000, f"the wait is 200 ms, and the second try came after {between} ms")
    person.demo.rows("DROP TRIGGER broken")
    person.send(f"/panel/registrations/{registration}/retry")
    person.browser.wait("document.querySelector('.timeline').innerText.includes('get_user_profile')", 20)
    person.calm()


def replays(person: Person, registration: str) -> None:
    person.open(f"/panel/registrations/{registration}")
    person.send(f"/panel/registrations/{registration}/replays")
    person.browser.wait("document.querySelectorAll('.beside blockquote').length === 2", 20)
    person.calm()


def claims(person: Person, registration: str) -> None:
    """Takes the customer for a consultant, and the queue knows."""
    person.open("/panel/consultants")
    person.browser.follow(f'main a[href="/panel/consultants/claim?customer={registration}"]')
    consultant = person.browser.evaluate("[...document.querySelectorAll('#f-consultant_id option')].map((o) => o.value).filter(Boolean)[0]")
    person.browser.choose("#f-consultant_id", str(consultant))
    person.send("/panel/consultants/claim")
    check(not person.browser.evaluate(f"document.querySelector('a[href$=\"customer={registration}\"]')"), "who was claimed still waits")
    person.open("/panel/consultants/claims")
    check(HOSTILE in person.text("main"), f"the claim is not shown: {person.text('main')[:600]}")
    person.calm()


def crosses_an_edit(person: Person) -> None:
    """Somebody else was faster: both values are on the page, and nothing is lost."""
    person.open("/panel/settings/welcome")
    person.demo.cli("settings", "set", "welcome.max_chars=250")
    person.fill({"welcome.max_chars": "300"})
    person.is_refused("/panel/settings/welcome", 412)
    warning = person.text('[id="s-welcome.max_chars"] .warning')
    check("250" in warning, f"the other's value is not shown: {warning}")
    check(person.browser.evaluate("document.querySelector('[name=\"welcome.max_chars\"]').value") == "300", "what was typed is lost")
    person.send("/panel/settings/welcome")
    check(person.demo.cli("settings", "get", "welcome.max_chars").strip() == "300", "the decision is not in force")
    person.demo.cli("settings", "reset", "welcome.max_chars")
    person.calm()


def loses_the_session(person: Person) -> None:
    """After signing in again one is where one was."""
    here = "/panel/registrations?state=done"
    person.open("/panel/me/second-factor")
    if person.path().startswith("/panel/confirm"):
        check(not person.findings(), f"confirm: {person.findings()}")
        person.fill({"password": PASSWORD})
        person.send("/panel/confirm")
    secret = str(person.browser.evaluate("document.querySelector('dl.facts code').textContent"))
    person.fill({"code": one_time_code(secret)})
    person.send("/panel/me/second-factor")
    check(person.text("#once"), f"no recovery codes: {person.text('main')[:300]}")
    person.browser.ask("Network.clearBrowserCookies")
    person.open(here)
    person.expect("/panel/sign-in")
    check(not person.findings(), f"sign-in: {person.findings()}")
    person.fill({"login": LOGIN, "password": PASSWORD, "code": "000000"})
    person.is_refused("/panel/sign-in")
    check(person.text(".trouble"), "a wrong code is not told")
    signs_in(person, one_time_code(secret, 1))
    person.expect(here)
    person.calm()


def goes_by_keyboard(person: Person) -> None:
    """The first key leads to the contents, and the menu of a phone opens and closes."""
    browser = person.browser
    browser.look(*LOOKS[2][:3])
    person.open("/panel/groups")
    browser.press("Tab")
    check(browser.evaluate("document.activeElement.className") == "skip", "the first stop is not the way to the contents")
    browser.press("Enter")
    browser.wait("document.activeElement.id === 'main'")
    browser.evaluate("document.querySelector('.menu summary').focus()")
    browser.press("Enter")
    browser.wait("document.querySelector('.menu').open")
    browser.press("Escape")
    browser.wait("!document.querySelector('.menu').open")
    browser.look(*LOOKS[0][:3])


def has_data(person: Person) -> None:
    """An agent with versions, a channel, an event and an OAuth client, so that every page has something to show."""
    person.demo.cli("oauth", "clients", "add", HOSTILE, "--redirect", "https://client.example/callback")
    person.open("/panel/agents/new")
    person.fill({"name": HOSTILE, "key": "app-0123456789abcdef", "base_url": "http://127.0.0.1:9", "weight": "0"})
    person.send("/panel/agents/new")
    check(re.fullmatch(r"/panel/agents/[^/?]+(\?.*)?", person.path()), f"the agent is not there: {person.path()} {person.text('main')[:400]}")
    agent = person.path().split("?")[0]
    person.fill({"max_concurrent": "3"})
    person.send(agent, 'button[name="save"], button:not([type=button])')
    person.calm()


def works(person: Person) -> None:
    timed(sets_up, person)
    key = timed(makes_a_group, person)
    timed(rotates, person, key)
    timed(tries_a_tool, person)
    registration = timed(watches_a_registration, person)
    timed(spaces_retries, person)
    timed(replays, person, registration)
    timed(claims, person, registration)
    for step in (crosses_an_edit, has_data, goes_by_keyboard, loses_the_session):
        timed(step, person)


def timed(step: Callable[..., str | None], *given: object) -> str | None:
    began = time.monotonic()
    left = step(*given)
    print(f"  {step.__name__}: {time.monotonic() - began:.1f} s")
    return left


# ---- the pages ------------------------------------------------------------------------------------------------------


def page_routes() -> list[str]:
    """Every page there is: the routes that GET a page, from the table that the route tests hold complete."""
    lines = [line.split() for line in (ROOT / "tests" / "it" / "admin_routes.txt").read_text().splitlines() if line and not line.startswith("#")]
    return [path for method, path, *_ in lines if method == "GET" and path.startswith("/panel") and not NO_PAGES.search(path)]


def pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(route)))


class Walk:
    """Follows links from page to page until every route has been seen."""

    def __init__(self, person: Person, language: str) -> None:
        self._person, self._language = person, language
        # The plainest route first: what is written out is not an id.
        self._routes = [(pattern(route), route) for route in sorted(page_routes(), key=lambda route: (route.count("{"), route))]
        self._waiting, self._seen = [*person.places, "/panel/", "/panel/me"], set()

    def route(self, path: str) -> str | None:
        bare = path.split("?")[0]
        return next((route for shape, route in self._routes if shape.fullmatch(bare)), None)

    def go(self) -> list[str]:
        met, troubles = set(self._waiting), []
        while self._waiting:
            path = self._waiting.pop(0)
            route = self.route(path)
            if route is None or route in OUTSIDE or (route in self._seen and route not in ALL_OF):
                continue
            self._seen.add(route)
            self._person.open(path)
            troubles += looks_at(self._person, self._language, path, route)
            links = self._person.browser.evaluate("[...document.querySelectorAll('a[href^=\"/panel\"]')].map((a) => a.getAttribute('href').split('#')[0])")
            for link in links:
                if link not in met:
                    met.add(link)
                    self._waiting.append(link)
        missing = [route for _, route in self._routes if route not in self._seen and route not in OUTSIDE]
        check(not missing, f"no link leads to {missing}")
        return troubles


def file_name(path: str, route: str) -> str:
    text = path.split("?")[0] if route in ALL_OF else route
    return re.sub(r"[^a-z0-9]+", "-", text.removeprefix("/panel").lower()).strip("-") or "overview"


def looks_at(person: Person, language: str, path: str, route: str) -> list[str]:
    """One page in every look. Returns what is wrong with it, so that one page does not hide the next."""
    browser = person.browser
    check(browser.evaluate("document.documentElement.lang") == language, f"{path}: the language is {browser.evaluate('document.documentElement.lang')}")
    check(browser.evaluate("document.querySelectorAll('h1').length") == 1, f"{path}: not one heading")
    troubles = []
    for width, height, scheme, suffix in LOOKS:
        browser.look(width, height, scheme, scale=1)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            troubles.append(f"{path}{suffix}: {wide} wide in a window of {width}")
        troubles += [f"{path}{suffix}: {finding}" for finding in person.findings()]
        browser.screenshot(SCREENSHOTS / f"panel-{file_name(path, route)}-{language[:2]}{suffix}.png", whole=True)
    browser.look(*LOOKS[0][:3])
    person.calm()
    return troubles


def run(command: str, binary: Path) -> tuple[int, int]:
    """How many parts passed, and how many failed."""
    work = Path(tempfile.mkdtemp(prefix="anmei-mcp-panel-"))
    passed = failed = 0
    try:
        rules = axe.source(ROOT / "target" / "browser")
        with Demo(binary, work) as demo, Chromium(command) as browser:
            person = Person(browser, demo, rules)
            browser.look(*LOOKS[0][:3])
            browser.accepts = True
            parts = [("the work", lambda: works(person))]
            parts += [(f"every page, {language}", lambda language=language: walk(person, language)) for language in (ZH, EN)]
            for name, part in parts:
                began = time.monotonic()
                try:
                    part()
                    passed += 1
                    print(f"panel, {name}: ok ({time.monotonic() - began:.0f} s)")
                except Exception:  # One part that breaks must not hide the next.
                    failed += 1
                    browser.screenshot(SCREENSHOTS / "panel-FAILED.png", whole=True)
                    print(f"panel, {name}: FAILED\n{traceback.format_exc()}")
                    browser.errors.clear()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return passed, failed


def walk(person: Person, language: str) -> None:
    person.open("/panel/")
    if person.browser.evaluate("document.documentElement.lang") != language:
        person.browser.follow(f'button[name=language][value="{language}"]')
    troubles = Walk(person, language).go()
    check(not troubles, "\n".join(troubles))


if __name__ == "__main__":
    sys.exit(main(__doc__, run))
