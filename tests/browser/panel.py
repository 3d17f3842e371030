#!/usr/bin/env python3
"""Works with the panel as its people do, in a real Chromium against the demonstration, and looks at every page of it.

    python3 tests/browser/panel.py --binary target/debug/anmei-mcp

First the work: an account by the setup link, a group, a key that is rotated, a tool that is tried and answers to an old
name, a registration that is watched, retries that are spaced anew, a claim, edits that cross, an agent that is rolled
out, a channel that is tried, sessions that end. Then every page that has a route, in both languages, both colour schemes
and two widths. At last what an operator and an auditor see. Strangers' names are markup throughout, and must show as
text. The console stays silent, no other host is asked, axe-core finds nothing, and nothing is wider than the window.
Leaves screenshots in target/screenshots. Needs Debian's packages `chromium` and `npm`, and fonts-noto-cjk for readable
screenshots. The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.dont_write_bytecode = True

import axe  # noqa: E402
import roles  # noqa: E402
from cases import SCREENSHOTS, check, main, nothing_else  # noqa: E402
from chromium import Chromium  # noqa: E402
from clinic import ROOT, Demo  # noqa: E402
from person import BRIEF, EN, HOSTILE, LOOKS, PASSWORD, ZH, Person, one_time_code  # noqa: E402

LOGIN = "mei"
GROUP = "browser_group"
# Routes of the table that are no pages to look at: streams, files, parts of pages, and what redirects.
NO_PAGES = re.compile(r"/live$|^/panel/(assets/|calls/export|overview/charts|settings$)|^/panel$")
# Of these every instance is looked at, not only the first that is found.
ALL_OF = {"/panel/settings/{page}"}
# Pages to which no link leads; the work goes through them.
OUTSIDE = {"/panel/setup/{secret}", "/panel/sign-in", "/panel/confirm"}
# Programs whose page of how to connect has a link that opens them.
LINKED_HOSTS = ["cursor", "vscode", "cherry-studio"]
# Runs that the guard of a roll-out needs of each side.
COMPARED = 10


# ---- the work -------------------------------------------------------------------------------------------------------


def sets_up(person: Person) -> None:
    """The first account, with a second factor, and what a mistake looks like."""
    person.open(person.demo.setup_link)
    person.looks_well_in_both_languages("setup")
    person.fill({"login": LOGIN, "display_name": HOSTILE, "password": PASSWORD, "again": "something else"})
    person.is_refused("/panel/setup/")
    check(person.text("#wrong-again"), "a password that differs is not told beside its field")
    check(person.browser.evaluate("document.querySelector('[name=login]').value") == LOGIN, "what was typed is lost")
    person.looks_well("setup-refused")
    secret = str(person.browser.evaluate("document.querySelector('dl.facts code').textContent"))
    person.fill({"password": PASSWORD, "again": PASSWORD, "code": one_time_code(secret)})
    person.send("/panel/setup/")
    person.expect("/panel/setup/")
    codes = person.text("#once").split()
    check(len(codes) >= 8, f"recovery codes: {person.text('main')[:300]}")
    person.looks_well("setup-codes")
    person.browser.follow("main .actions a")
    check(person.path() == "/panel/?said=set-up", f"the first administrator is at {person.path()}")


def makes_a_group(person: Person) -> str:
    """Returns the path of its first key."""
    person.open("/panel/groups/new")
    person.fill({"server_code": "Not A Code!", "name": HOSTILE})
    person.is_refused("/panel/groups/new")
    check(person.text("#wrong-server_code"), f"a bad code is not told beside its field: {person.text('main')[:300]}")
    person.looks_well("groups-new-refused")
    person.fill({"server_code": GROUP, "description": "浏览器里的分组"})
    for tool in ("get_user_profile", "search_users", "get_service_info"):
        person.browser.tick(f"#tool-{tool}")
    person.send("/panel/groups/new")
    person.demo.keys["old"] = person.text("#key-text")
    check(person.demo.keys["old"].startswith("mcp_key_"), f"no key: {person.text('main')[:300]}")
    person.looks_well("key-shown")
    copies(person, "#key-text")
    person.open(f"/panel/groups/{GROUP}")
    person.calm()
    return str(person.browser.evaluate("document.querySelector('main table a[href*=\"/keys/\"]').getAttribute('href')"))


def copies(person: Person, source: str) -> None:
    """Presses the button beside a text: the clipboard has it, and the button says so."""
    button = f'main [data-copy="{source[1:]}"]'
    person.browser.click(button)
    person.browser.wait(f"((b) => b.dataset.copied && b.textContent === b.dataset.copied)(document.querySelector({button!r}))")
    copied = str(person.browser.evaluate("navigator.clipboard.readText()"))
    check(copied and copied == person.text(source).strip(), f"the clipboard holds {copied!r}")


def connects(person: Person) -> None:
    """Each program's link is a link to it; and the page with the key in its place, from which it is copied."""
    for host in LINKED_HOSTS:
        path = f"/panel/groups/{GROUP}/connect?host={host}"
        person.open(path)
        link = str(person.browser.evaluate("document.querySelector('main .actions a[role=button]')?.href"))
        check(re.match(r"(cursor|vscode|cherrystudio):", link), f"{host} is opened with {link}")
        person.places.append(path)
    person.open(f"/panel/groups/{GROUP}/connect?host=cursor")
    person.fill({"reason": "浏览器里的连接"})
    person.send(f"/panel/groups/{GROUP}/connect")
    person.looks_well("connect-with-key")
    copies(person, "#file-text")
    check(person.demo.keys["old"] in str(person.browser.evaluate("navigator.clipboard.readText()")), "the file has no key")
    person.calm()


def a_users_id(person: Person) -> str:
    return person.demo.rows("SELECT id FROM users WHERE roles LIKE '%customer%' ORDER BY id LIMIT 1")[0][0]


def rotates(person: Person, key: str) -> None:
    """The old key goes on for its grace, and the page says who still uses it."""
    person.open(key)
    person.fill({"grace": "soon"})
    person.is_refused(f"{key}/rotate")
    check(person.browser.evaluate("document.querySelector('#rotate-grace').getAttribute('aria-invalid')") == "true", "a bad length of time is not told")
    person.looks_well("key-rotate-refused")
    person.fill({"grace": "2h"})
    person.send(f"{key}/rotate")
    new = person.text("#key-text")
    check(new.startswith("mcp_key_") and new != person.demo.keys["old"], f"no new key: {person.text('main')[:300]}")
    person.looks_well("key-rotated")
    person.demo.keys["new"] = new
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
    person.looks_well("try-refused")
    person.fill({"args/limit": "2"})
    person.send(f"{tool}/call")
    check("林" in person.text("#try-result"), f"the try has no result: {person.text('main')[-900:]}")
    person.looks_well("try-result")
    until = time.monotonic() + 5
    while "search_users" not in person.text("main table"):
        check(time.monotonic() < until, "the try is not in the log")
        person.open("/panel/calls?channel=admin")
    person.calm()


def keeps_an_old_name(person: Person) -> None:
    """A call of a name that the tool had, and one that failed: both are on the pages that name them."""
    tool, client = f"/panel/groups/{GROUP}/tools/search_users", "former/1.0"
    person.open(tool)
    person.fill({"alias": "find_users", "until": f"{time.gmtime().tm_year + 1}-06-30"})
    person.send(f"{tool}/aliases")
    person.expect(tool, "find_users")
    answer = person.demo.call(person.demo.keys["new"], "find_users", {"query": "林"}, client)
    check("result" in answer, f"the old name: {answer}")
    person.demo.call(person.demo.keys["new"], "search_users", {"query": "林", "limit": "many"}, HOSTILE)
    until = time.monotonic() + 5
    while client not in person.text("#aliases"):
        check(time.monotonic() < until, f"the page does not say who still calls the old name: {person.text('#aliases')}")
        person.open(tool)
    person.places.append(tool)
    for query in (f"client={client}", "success=false"):
        person.open(f"/panel/calls?{query}")
        person.places.append(str(person.browser.evaluate("document.querySelector('main td a[href^=\"/panel/calls/\"]').getAttribute('href')")))
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
    person.looks_well("settings-refused")
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
    person.looks_well("settings-stale")
    person.send("/panel/settings/welcome")
    check(person.demo.cli("settings", "get", "welcome.max_chars").strip() == "300", "the decision is not in force")
    person.demo.cli("settings", "reset", "welcome.max_chars")
    person.calm()


def reads_before_saving(person: Person) -> None:
    """What a template would say: shown as text, and not in force."""
    here, said = "/panel/settings/notice", f"新客户 {HOSTILE}"
    before = person.demo.cli("settings", "get", "notice.message")
    person.open(here)
    person.fill({"notice.message": said})
    person.browser.follow('main form button[name="preview"]')
    check(said in person.text("#previews + .beside pre"), f"the preview does not say it: {person.text('main')[-600:]}")
    check(person.browser.evaluate("document.querySelector('[name=\"notice.message\"]').value") == said, "what was typed is lost")
    person.looks_well("settings-previewed")
    check(person.demo.cli("settings", "get", "notice.message") == before, "a preview changed the setting")
    person.calm()


def proves_and_tells(person: Person) -> None:
    """What is made by a press and shown once: the proof of the jobs, a token of one's own; and a page that there is not."""
    person.open("/panel/jobs")
    person.send("/panel/jobs/verify")
    person.looks_well("jobs-proof")
    person.open("/panel/me")
    person.fill({"name": HOSTILE, "days": "7"})
    person.send("/panel/me/tokens")
    check(person.text("#once"), f"no token: {person.text('main')[:300]}")
    person.looks_well("token-shown")
    person.open("/panel/groups/nothing_here")
    person.noted("/panel/groups/nothing_here", 404)
    person.looks_well("not-found")


def prefers_dark(person: Person) -> None:
    """Colours by the button are other rules than those of the reader's system, and stand against them."""
    person.open("/panel/calls")
    for scheme, against in (("dark", LOOKS[0]), ("light", LOOKS[1])):
        person.browser.follow(f'button[name=scheme][value="{scheme}"]')
        check(person.browser.evaluate("document.documentElement.dataset.theme") == scheme, f"the page is not {scheme}")
        person.looks_well(f"calls-{scheme}-by-the-button", [against[:3] + ("",)])
    person.browser.follow('button[name=scheme][value="auto"]')
    check(not person.browser.evaluate("document.documentElement.dataset.theme"), "the colours are not the system's again")


def reads_the_api(person: Person) -> None:
    """The page of the API's document asks nobody else either."""
    person.open("/api/v1/docs/")
    person.browser.wait("document.querySelectorAll('.swagger-ui .opblock').length > 100", 20)
    person.browser.screenshot(SCREENSHOTS / "api-docs.png")
    nothing_else(person.browser, person.demo.admin + "/")


def loses_the_session(person: Person) -> None:
    """After signing in again one is where one was, from a link and from a form."""
    here = "/panel/registrations?state=done"
    person.open("/panel/confirm?next=/panel/me/second-factor")
    person.looks_well_in_both_languages("confirm")
    person.fill({"password": "not this one"})
    person.is_refused("/panel/confirm")
    person.looks_well("confirm-refused")
    person.fill({"password": PASSWORD})
    person.send("/panel/confirm")
    person.expect("/panel/me/second-factor")
    secret = str(person.browser.evaluate("document.querySelector('dl.facts code').textContent"))
    person.fill({"code": one_time_code(secret)})
    person.send("/panel/me/second-factor")
    recovery = person.text("#once").split()
    check(len(recovery) >= 8, f"no recovery codes: {person.text('main')[:300]}")
    person.looks_well("recovery-codes")
    person.browser.ask("Network.clearBrowserCookies")
    person.open(here)
    person.expect("/panel/sign-in")
    person.looks_well_in_both_languages("sign-in")
    person.fill({"login": LOGIN, "password": PASSWORD, "code": "000000"})
    person.is_refused("/panel/sign-in")
    check(person.text(".trouble"), "a wrong code is not told")
    person.looks_well("sign-in-refused")
    person.signs_in(LOGIN, one_time_code(secret, 1))
    person.expect(here)
    sends_too_late(person, recovery[0])


def sends_too_late(person: Person, recovery_code: str) -> None:
    """A form that is sent after the session was ended changes nothing, and its page is there again after signing in."""
    here, setting = "/panel/settings/welcome", "welcome.max_chars"
    person.open(here)
    before = person.demo.cli("settings", "get", setting)
    person.demo.cli("account", "sign-out", LOGIN)
    person.fill({setting: "333"})
    person.send(here)
    person.expect("/panel/sign-in")
    person.signs_in(LOGIN, recovery_code)
    person.expect(here)
    check(person.demo.cli("settings", "get", setting) == before, "somebody who had to sign in changed a setting")
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


def adds_a_program(person: Person) -> None:
    """An OAuth client with a secret, which is shown once."""
    person.open("/panel/oauth/clients/new")
    person.fill({"name": HOSTILE, "redirect_uris": "https://client.example/callback"})
    person.browser.tick("#f-confidential")
    person.send("/panel/oauth/clients/new")
    check(person.text("#client-secret"), f"no secret: {person.text('main')[:400]}")
    person.looks_well("oauth-client-made")


def rolls_out(person: Person) -> None:
    """A candidate gets a share, and the guard compares enough runs of both sides to show its figures."""
    person.open("/panel/agents/new")
    person.browser.choose("#f-part", "candidate")
    person.fill({"name": HOSTILE, "key": "app-0123456789abcdef", "base_url": "http://127.0.0.1:9"})
    person.send("/panel/agents/new")
    check(re.fullmatch(r"/panel/agents/[^/?]+(\?.*)?", person.path()), f"the agent is not there: {person.path()} {person.text('main')[:400]}")
    agent = person.path().split("?")[0]
    person.fill({"max_concurrent": "3"})
    person.send(f"{agent}#settings")
    check(person.value('main [name="max_concurrent"]') == "3", "what was set is not kept")
    person.browser.choose('main [name="percent"]', "1")
    person.send(f"{agent}/rollout")
    check(person.value('main [name="percent"]') == "1", "the share is not kept")
    person.demo.cli("settings", "set", f"rollout.min_runs={COMPARED}")
    compares(person, agent.rsplit("/", 1)[1])
    person.open(agent)
    check(person.browser.evaluate("document.querySelectorAll('#rollout ~ .scroll caption').length") == 1, f"no figures: {person.text('main')[:900]}")
    check(person.browser.evaluate("document.querySelectorAll('main button[name=roll_back]').length") == 1, "the candidate cannot be rolled back")
    person.places.append(agent)
    person.calm()


def compares(person: Person, candidate: str) -> None:
    """Runs of both sides: all are the stable agent's by lot, and half of them are written down as the candidate's."""
    demo = person.demo
    runs = [demo.register(f"usr_compared_{n}", f"顾客 {n}") for n in range(2 * COMPARED)]
    quoted = ", ".join(f"'{run}'" for run in runs)
    until = time.monotonic() + 30
    while demo.rows(f"SELECT COUNT(*) FROM registrations WHERE id IN ({quoted}) AND finished_at IS NOT NULL")[0][0] < len(runs):
        check(time.monotonic() < until, "the runs do not end")
        time.sleep(0.05)
    stable = demo.rows(f"SELECT id FROM dify_configs WHERE part = 'stable' AND id != '{candidate}'")[0][0]
    for agent, half in ((candidate, runs[::2]), (stable, runs[1::2])):
        quoted = ", ".join(f"'{run}'" for run in half)
        demo.rows(f"UPDATE registrations SET agent_id = '{agent}' WHERE id IN ({quoted})")
        demo.rows(f"UPDATE agent_calls SET agent_id = '{agent}' WHERE registration_id IN ({quoted})")


def tries_a_channel(person: Person) -> None:
    """What a channel would show, and what becomes of a test of one that nobody answers; then of a real push."""
    path = "/panel/notifications/channels"
    channel = {"kind": "wecom", "name": HOSTILE, "url": "http://127.0.0.1:9/send?key=nobody"}
    person.demo.cli("settings", "set", f"notice.channels={json.dumps([channel])}")
    person.demo.cli("settings", "set", "notice.ack_timeout=50ms")
    person.open(path)
    person.fill({"username": HOSTILE})
    person.browser.follow(f'main form[action^="{path}"] button:not([formmethod])')
    check(person.text("#result pre"), f"no preview: {person.text('main')[:900]}")
    preview = person.path()
    asks = person.browser.evaluate(f"document.querySelector('main form[action^=\"{path}\"] button[formmethod=post]').dataset.confirm")
    person.browser.follow(f'main form[action^="{path}"] button[formmethod=post]')
    asked, person.browser.questions = person.browser.questions, []
    check(asked == [asks], f"one was asked {asked}")
    check(person.text("#result .trouble"), f"the test had an answer: {person.text('main')[-900:]}")
    person.looks_well("channel-tested")
    person.places += [preview, "/panel/notifications/pushes"]
    person.demo.register("usr_pushed", HOSTILE)
    person.calm()


def works(person: Person) -> None:
    timed(sets_up, person)
    key = timed(makes_a_group, person)
    timed(connects, person)
    timed(rotates, person, key)
    timed(tries_a_tool, person)
    timed(keeps_an_old_name, person)
    registration = timed(watches_a_registration, person)
    timed(spaces_retries, person)
    timed(replays, person, registration)
    timed(claims, person, registration)
    steps = [crosses_an_edit, reads_before_saving, adds_a_program, tries_a_channel, rolls_out, proves_and_tells, prefers_dark, reads_the_api, goes_by_keyboard]
    for step in (*steps, loses_the_session):
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
        places, met, troubles = set(self._person.places), set(self._waiting), []
        while self._waiting:
            path = self._waiting.pop(0)
            route = self.route(path)
            again = route in self._seen and route not in ALL_OF
            if route is None or route in OUTSIDE or (again and path not in places):
                continue
            troubles += self._look(path, path if route in self._seen or route in ALL_OF else route, BRIEF if again else LOOKS)
            self._seen.add(route)
            # What is downloaded leaves the page where it is.
            links = self._person.browser.evaluate(
                "[...document.querySelectorAll('a[href^=\"/panel\"]:not([download])')].map((a) => a.getAttribute('href').split('#')[0])"
            )
            for link in links:
                if link not in met:
                    met.add(link)
                    self._waiting.append(link)
        missing = [route for _, route in self._routes if route not in self._seen and route not in OUTSIDE]
        check(not missing, f"no link leads to {missing}")
        return troubles

    def _look(self, path: str, name: str, looks: list[tuple[int, int, str, str]]) -> list[str]:
        """One page. Returns what is wrong with it, so that one page does not hide the next."""
        self._person.enters(path)
        language = self._person.browser.evaluate("document.documentElement.lang")
        check(language == self._language, f"{path}: the language is {language}")
        return [f"{path}: {trouble}" for trouble in self._person.troubles(name, looks)]


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
            browser.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            parts = [("the work", lambda: works(person))]
            parts += [(f"every page, {language}", lambda language=language: walk(person, language)) for language in (ZH, EN)]
            parts += [(f"as {role}", lambda role=role: roles.WALKS[role](person)) for role in roles.WALKS]
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
                    browser.questions.clear()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return passed, failed


def walk(person: Person, language: str) -> None:
    person.open("/panel/")
    person.speaks(language)
    troubles = Walk(person, language).go()
    check(not troubles, "\n".join(troubles))


if __name__ == "__main__":
    sys.exit(main(__doc__, run))
