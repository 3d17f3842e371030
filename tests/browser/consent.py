#!/usr/bin/env python3
"""Opens the consent page in a real Chromium against the real daemon, and answers it as a person does.

    python3 tests/browser/consent.py --binary target/debug/anmei-mcp

A program on this machine registers itself and asks for access; a person lets it in with a key or an account, by mouse and
by keyboard alone, or refuses; then the program exchanges its code and calls a tool. In Chinese and in English, light and
dark, wide and narrow; with a hostile name, and with an address that nobody registered. At last an administrator finds
what was allowed in the panel, and ends it. run.py says what it needs.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import secrets
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True

import axe  # noqa: E402
from cases import SCREENSHOTS, check, each, main, nothing_else  # noqa: E402
from chromium import Chromium  # noqa: E402
from clinic import ROOT, Site  # noqa: E402

PASSWORD = "a quiet afternoon in May"
HOSTILE = "<img src=x onerror=alert(1)><b>Claude</b>"
# Width, height, colours, and what the file's name ends in.
LOOKS = [(1280, 800, "light", ""), (1280, 800, "dark", "-dark"), (390, 844, "light", "-narrow"), (390, 844, "dark", "-narrow-dark")]
LANGUAGES = {
    "zh": {
        "accept": "zh-CN", "title": "授权访问", "key": "密钥不正确。", "login": "登录名或密码不正确。", "which": "请填写其中一个编码", "refused": "无法授权",
        "address": "redirect_uri 不是该客户端登记的地址", "by": "密钥 default …", "ended": "人工结束",
    },
    "en": {
        "accept": "en-GB", "title": "Grant access", "key": "The key is not right.", "login": "The login or the password is not right.",
        "which": "fill in the code of one", "refused": "Access cannot be granted", "address": "The redirect_uri is not one that this client registered",
        "by": "key default …", "ended": "ended by hand",
    },
}  # fmt: skip


class Listener(http.server.BaseHTTPRequestHandler):
    """Where a program on this machine waits for its answer."""

    def do_GET(self) -> None:
        place = urllib.parse.urlsplit(self.path)
        self.server.answers.append((place.path, dict(urllib.parse.parse_qsl(place.query))))
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b'<!doctype html><title>Program</title><link rel="icon" href="data:,"><p>You may close this page.')

    def log_message(self, *_: object) -> None:
        pass


class Program:
    """A program on this machine that asks for access."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        self._server.answers = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.redirect = f"{self.origin}/callback"
        self.state, self._verifier = secrets.token_urlsafe(9) + "&=é", secrets.token_urlsafe(48)
        registered = self.ask("/oauth/register", json.dumps({"client_name": name, "redirect_uris": [self.redirect]}), "application/json")
        self.id = registered["client_id"]

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def ask(self, path: str, body: str, kind: str, token: str | None = None) -> dict:
        """An answer in JSON."""
        headers = {"content-type": kind, "accept": "application/json, text/event-stream"} | ({"authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"{self.site.mcp}{path}", body.encode(), headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)

    def url(self, path: str, **changed: str) -> str:
        """The page that asks for a resource of this server."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "client_id": self.id, "redirect_uri": self.redirect, "state": self.state, "code_challenge": challenge}
        asked |= {"code_challenge_method": "S256", "resource": f"{self.site.mcp}{path}"} | changed
        return f"{self.site.mcp}/oauth/authorize?{urllib.parse.urlencode(asked)}"

    def answer(self, browser: Chromium) -> dict[str, str]:
        """What the browser came back with, to the registered address and once."""
        browser.wait(f"location.origin === '{self.origin}' && document.title === 'Program'")
        answers = [answer for place, answer in self._server.answers if place == "/callback"]
        check(len(answers) == len(self._server.answers) == 1, f"the program was asked for {self._server.answers}")
        check((answers[0].get("state"), answers[0].get("iss")) == (self.state, self.site.mcp), f"the answer is {answers[0]}")
        return answers[0]

    def has_no_answer(self) -> None:
        check(not self._server.answers, f"the program was told {self._server.answers}")

    def token(self, answer: dict[str, str]) -> dict:
        """What the code is exchanged for."""
        fields = {"grant_type": "authorization_code", "client_id": self.id, "code": answer["code"], "redirect_uri": self.redirect}
        form = urllib.parse.urlencode(fields | {"code_verifier": self._verifier})
        return self.ask("/oauth/token", form, "application/x-www-form-urlencoded")

    def call(self, path: str, token: dict, method: str, **params: object) -> dict:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.ask(path, json.dumps(message), "application/json", token["access_token"])["result"]


@functools.cache
def axe_source() -> str:
    return axe.source(ROOT / "target" / "browser")


def looks_well(browser: Chromium, name: str) -> None:
    """In every look: as wide as the window, nothing that axe-core finds, and a picture for people."""
    for width, height, scheme, suffix in LOOKS:
        browser.look(width, height, scheme)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        check(wide <= width, f"{name}: the page is {wide} wide in a window of {width}")
        found = axe.findings(browser, axe_source())
        check(not found, f"{name}{suffix}: axe-core finds {found}")
        browser.screenshot(SCREENSHOTS / f"{name}{suffix}.png", whole=True)
    browser.look(*LOOKS[0][:3])
    browser.settle()


def refused_with(browser: Chromium, status: int) -> None:
    """The console names the status of a page that is refused, once; that is no error of the page."""
    said = [line for line in browser.errors if line.startswith("log: Failed to load resource") and f"status of {status} " in line]
    check(len(said) == 1, f"not one page was refused with {status}: {browser.errors}")
    browser.errors.remove(said[0])


def stays(browser: Chromium, field: str, said: str, status: int) -> None:
    """The page is there again, and says beside the field what is wrong; that is where one goes on."""
    wrong = f"document.getElementById('wrong-{field}')"
    browser.wait(f"document.readyState === 'complete' && {wrong}?.innerText.includes({json.dumps(said)})")
    browser.wait(f"document.activeElement.id === '{field}' && document.activeElement.getAttribute('aria-describedby') === 'wrong-{field}'")
    below = browser.evaluate(f"{wrong}.getBoundingClientRect().top - document.getElementById('{field}').getBoundingClientRect().bottom")
    check(0 <= below < 40, f"it is said {below} pixels below the field")
    refused_with(browser, status)


def with_a_key(command: str, code: str, site: Site) -> None:
    """A wrong key, then the right one; the code becomes a token, and the token calls a tool."""
    words, group = LANGUAGES[code], "/server/system_tools/mcp"
    with Program(site, "示例程序 / Sample") as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        browser.open(program.url(group), words["accept"])
        check(browser.evaluate("document.title").startswith(words["title"]), f"the title is {browser.evaluate('document.title')}")
        check(browser.evaluate(f"document.body.innerText.includes('system_tools') && document.body.innerText.includes('{program.origin}')"), "who asks for what is not said")
        looks_well(browser, f"consent-{code}")
        browser.type("#key", f"mcp_key_{'A' * 43}")
        browser.tick("[name=write]", False)
        browser.click("#key ~ .allow")
        stays(browser, "key", words["key"], 403)
        check(browser.evaluate("document.getElementById('key').value") == "", "the key was sent back")
        check(not browser.evaluate("document.querySelector('[name=write]').checked"), "what was withheld is forgotten")
        looks_well(browser, f"consent-wrong-{code}")
        program.has_no_answer()
        browser.type("#key", json.loads(site.cli("key", "show", "system_tools", "--json"))["key"])
        browser.click("#key ~ .allow")
        token = program.token(program.answer(browser))
        check(token["scope"] == "group:system_tools tools:read", f"the token is for {token['scope']}")
        found = program.call(group, token, "tools/call", name="search_users", arguments={"query": "陈"})
        check(not found.get("isError") and "usr_chenyue" in json.dumps(found), f"the tool answered {found}")
        nothing_else(browser, f"{site.mcp}/", f"{program.origin}/")


def with_an_account(command: str, code: str, site: Site) -> None:
    """At the root, an account that opens several groups says which one; what was typed and is no secret stays."""
    words = LANGUAGES[code]
    site.cli("account", "add", "he", "--roles", "doctor", "--tier", "internal", password=PASSWORD)
    with Program(site, "Claude") as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        browser.open(program.url("/mcp"), words["accept"])
        for password, field, said, status in [("not this one", "login", words["login"], 403), (PASSWORD, "group", words["which"], 400)]:
            browser.type("#login", "he")
            browser.type("#password", password)
            browser.click("#password ~ .allow")
            stays(browser, field, said, status)
            kept = browser.evaluate("[document.getElementById('login').value, document.getElementById('password').value]")
            check(kept == ["he", ""], f"the form holds {kept}")
        looks_well(browser, f"consent-account-{code}")
        browser.type("#password", PASSWORD)
        browser.type("#group", "medical_tools")
        browser.click("#password ~ .allow")
        token = program.token(program.answer(browser))
        check(token["scope"] == "group:medical_tools tools:read tools:write", f"the token is for {token['scope']}")
        names = [tool["name"] for tool in program.call("/mcp", token, "tools/list")["tools"]]
        check("generate_treatment_plan" in names, f"the group offers {names}")
        nothing_else(browser, f"{site.mcp}/", f"{program.origin}/")


def focus(browser: Chromium, selector: str) -> None:
    """Goes to an element by Tab."""
    for _ in range(20):
        browser.press("Tab")
        if browser.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            visible = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
            check(visible, f"one does not see that {selector} has the focus")
            return
    check(False, f"{selector} cannot be reached by Tab")


def by_keyboard(command: str, site: Site) -> None:
    """Another language, and consent: without a mouse."""
    with Program(site, "Claude") as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        browser.open(program.url("/server/system_tools/mcp"), "zh-CN")
        focus(browser, ".quiet")
        browser.press("Enter")
        browser.wait("document.documentElement.lang === 'en' && document.readyState === 'complete'")
        focus(browser, "[name=write]")
        browser.press("Space")
        focus(browser, "#key")
        browser.ask("Input.insertText", text=json.loads(site.cli("key", "show", "system_tools", "--json"))["key"])
        browser.press("Enter")
        check(program.token(program.answer(browser))["scope"] == "group:system_tools tools:read", "the box was not reached")
        nothing_else(browser, f"{site.mcp}/", f"{program.origin}/")


def refusing(command: str, site: Site) -> None:
    """Who refuses sends the program away with nothing, by mouse and by keyboard."""
    for by_mouse in (True, False):
        with Program(site, "Claude") as program, Chromium(command) as browser:
            browser.look(*LOOKS[0][:3])
            browser.open(program.url("/server/system_tools/mcp"), "en")
            if by_mouse:
                browser.click(".deny")
            else:
                focus(browser, ".deny")
                browser.press("Enter")
            answer = program.answer(browser)
            check(answer["error"] == "access_denied" and "code" not in answer, f"the program was told {answer}")
            nothing_else(browser, f"{site.mcp}/", f"{program.origin}/")


def a_hostile_name(command: str, site: Site) -> None:
    """What a program calls itself is text, wherever it says it."""
    with Program(site, HOSTILE) as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        browser.open(program.url("/server/system_tools/mcp", state=HOSTILE), "zh-CN")
        check(browser.evaluate("document.querySelector('.name').innerText") == HOSTILE, "the name is not shown as it is")
        check(browser.evaluate("document.querySelectorAll('img, b, script').length") == 0, "the name became markup")
        looks_well(browser, "consent-hostile")
        program.state = HOSTILE
        browser.click(".deny")
        program.answer(browser)
        nothing_else(browser, f"{site.mcp}/", f"{program.origin}/")


def an_address_nobody_registered(command: str, code: str, site: Site) -> None:
    """A page for people, and no way to there."""
    words = LANGUAGES[code]
    with Program(site, "Claude") as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        for strange in [f"{program.origin}/elsewhere", "https://evil.example/callback", "javascript:alert(1)", HOSTILE]:
            url = program.url("/server/system_tools/mcp", redirect_uri=strange)
            browser.open(url, words["accept"])
            told = browser.evaluate("[document.querySelector('h1').innerText, document.querySelector('[role=alert]').innerText]")
            check(told[0] == words["refused"] and told[1].startswith(words["address"]), f"{strange}: the page says {told}")
            check(browser.evaluate("location.href") == url, f"{strange}: the browser went to {browser.evaluate('location.href')}")
            check(browser.evaluate("document.querySelectorAll('form, a, img, b').length") == 0, f"{strange}: the page leads somewhere")
            refused_with(browser, 400)
        looks_well(browser, f"consent-refused-{code}")
        program.has_no_answer()
        nothing_else(browser, f"{site.mcp}/")


def ended_in_the_panel(command: str, code: str, site: Site) -> None:
    """What was allowed is on the panel, with the program's name as text, and ends there."""
    words, group = LANGUAGES[code], "/server/system_tools/mcp"
    site.cli("account", "add", "mei", "--roles", "admin", "--tier", "internal", "--panel-role", "administrator", password=PASSWORD)
    with Program(site, HOSTILE) as program, Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        browser.open(program.url(group), words["accept"])
        browser.type("#key", json.loads(site.cli("key", "show", "system_tools", "--json"))["key"])
        browser.click("#key ~ .allow")
        token = program.token(program.answer(browser))
        browser.open(f"{site.admin}/panel/sign-in?next=/panel/oauth", words["accept"])
        browser.type("#f-login", "mei")
        browser.type("#f-password", PASSWORD)
        browser.follow("main form button")
        check(browser.evaluate("location.pathname") == "/panel/oauth", f"signing in leads to {browser.evaluate('location.href')}")
        looks_well(browser, f"oauth-clients-{code}")
        browser.follow("main table a")
        says = "document.querySelector('main').innerText.includes"
        check(browser.evaluate(f"{says}({json.dumps(HOSTILE)}) && {says}({json.dumps(words['by'])})"), "who was let in, and by whom, is not said")
        check(browser.evaluate("document.querySelectorAll('main img, main b').length") == 0, "the name became markup")
        looks_well(browser, f"oauth-client-{code}")
        browser.accepts = True
        browser.follow("main table form button")
        check(browser.evaluate(f"{says}({json.dumps(words['ended'])})"), "that it was ended is not said")
        check(len(browser.questions) == 1 and HOSTILE in browser.questions[0], f"one was asked {browser.questions}")
        try:
            check(program.call(group, token, "tools/list") is None, "the token is still accepted")
        except urllib.error.HTTPError as error:
            check(error.code == 401, f"the token was answered {error.code}")
        for path, name in [("oauth/grants?all=true", "oauth-grants"), ("oauth/clients/new", "oauth-new"), ("groups/system_tools/tools/search_users", "tool-aliases")]:
            browser.open(f"{site.admin}/panel/{path}", words["accept"])
            looks_well(browser, f"{name}-{code}")
        nothing_else(browser, f"{site.mcp}/", f"{site.admin}/", f"{program.origin}/")


def run(command: str, binary: Path) -> tuple[int, int]:
    everywhere = {"with a key": with_a_key, "with an account": with_an_account, "an address nobody registered": an_address_nobody_registered}
    everywhere |= {"ended in the panel": ended_in_the_panel}
    once = {"by keyboard": by_keyboard, "refusing": refusing, "a hostile name": a_hostile_name}
    cases = {f"consent {name}, {code}": functools.partial(case, command, code) for name, case in everywhere.items() for code in LANGUAGES}
    return each(binary, cases | {f"consent {name}": functools.partial(case, command) for name, case in once.items()})


if __name__ == "__main__":
    sys.exit(main(__doc__, run))
