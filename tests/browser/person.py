"""Whoever sits before the browser: what they type and press in the panel, and what they see there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import struct
import time

import axe
from cases import SCREENSHOTS, check, nothing_else
from chromium import Chromium
from clinic import Demo, Site

HOSTILE = "<img src=x onerror=alert(1)><b>VIP</b>"
PASSWORD = "a long pass phrase of the browser"
ZH, EN = "zh-CN", "en"
# Width, height, colours, and what the file's name ends in.
LOOKS = [(1280, 800, "light", ""), (1280, 800, "dark", "-dark"), (390, 844, "light", "-narrow"), (390, 844, "dark", "-narrow-dark")]
# Both schemes and both widths, in half the time: for what is one page more made of the same pieces.
BRIEF = [LOOKS[0], LOOKS[3]]
ONCE = LOOKS[:1]


def one_time_code(secret: str, steps_ahead: int = 0) -> str:
    """RFC 6238, as an authenticator app makes it."""
    counter = int(time.time()) // 30 + steps_ahead
    digest = hmac.new(base64.b32decode(secret + "=" * (-len(secret) % 8)), struct.pack(">Q", counter), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def file_name(text: str) -> str:
    """The same for the same page of every run, whatever ids there are."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "id", text)
    return re.sub(r"[^a-z0-9]+", "-", text.removeprefix("/panel").replace("/panel/", "/").lower()).strip("-") or "overview"


class Person:
    """Whoever sits before the browser, and what they see."""

    def __init__(self, browser: Chromium, demo: Demo | Site, rules: str) -> None:
        self.browser, self.demo, self._rules = browser, demo, rules
        #: Where the work left something to see.
        self.places: list[str] = []

    def open(self, path: str) -> None:
        self.browser.open(path if path.startswith("http") else self.demo.admin + path, ZH)

    def enters(self, path: str) -> None:
        """Opens a page, shows the password once more where it asks for that, and is there and nowhere else."""
        self.open(path)
        if self.path().startswith("/panel/confirm"):
            self.fill({"password": PASSWORD})
            self.send("/panel/confirm")
        there = self.browser.evaluate(f"location.pathname === new URL({json.dumps(path)}, location.href).pathname")
        check(there, f"{path} leads to {self.path()}")

    def path(self) -> str:
        return str(self.browser.evaluate("location.pathname + location.search"))

    def text(self, selector: str) -> str:
        return str(self.browser.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''"))

    def value(self, selector: str) -> str:
        return str(self.browser.evaluate(f"document.querySelector({selector!r})?.value ?? ''"))

    def fill(self, fields: dict[str, str]) -> None:
        for name, value in fields.items():
            self.browser.type(f'main [name="{name}"]', value)

    def send(self, form: str, button: str = "button:not([type=button])") -> None:
        """Presses a form's button, answers yes to what it asks, and waits for the page that comes."""
        selector = f'main form[method=post][action^="{form}"] {button}'
        asks = self.browser.evaluate(f"((b) => b?.dataset.confirm ?? b?.form?.dataset.confirm ?? null)(document.querySelector({selector!r}))")
        self.browser.follow(selector)
        asked, self.browser.questions = self.browser.questions, []
        check(asked == ([asks] if asks else []), f"{form} should ask {asks!r}, and one was asked {asked}")

    def is_refused(self, form: str, status: int = 422) -> None:
        """Sends a form with a mistake in it: the page comes back and says so, and the browser notes its status."""
        self.send(form)
        self.noted(form, status)

    def noted(self, path: str, status: int) -> None:
        """The console names the status of a page that is refused, once; that is no error of the page."""
        noted = [error for error in self.browser.errors if f"status of {status}" in error and path in error]
        check(len(noted) == 1, f"{path} was not answered {status}: {self.browser.errors}")
        self.browser.errors.remove(noted[0])

    def expect(self, path: str, says: str = "") -> None:
        check(self.path().startswith(path), f"the page is {self.path()}, not {path}: {self.text('main')[:400]}")
        check(says in self.text("main"), f"{path} does not say {says!r}: {self.text('main')[:600]}")

    def calm(self) -> None:
        """Nothing was said on the console, nothing asked elsewhere or of the person, and no stranger's text became markup."""
        nothing_else(self.browser, self.demo.admin + "/")
        check(not self.browser.questions, f"{self.path()}: nobody expected to be asked {self.browser.questions}")
        check(self.browser.evaluate("document.querySelectorAll('img[src=\"x\"], b').length") == 0, f"{self.path()}: a stranger's text became markup")

    def speaks(self, language: str) -> None:
        """Changes the language, where it is another one, with the button in the header."""
        if self.browser.evaluate("document.documentElement.lang") != language:
            self.browser.follow(f'button[name=language][value="{language}"]')

    def troubles(self, name: str, looks: list[tuple[int, int, str, str]] = LOOKS) -> list[str]:
        """What is wrong with the page that is open, in each of these looks; a picture of each is left for people."""
        browser, troubles = self.browser, []
        check(browser.evaluate("document.querySelectorAll('h1').length") == 1, f"{name}: not one heading")
        language = str(browser.evaluate("document.documentElement.lang"))
        for width, height, scheme, suffix in looks:
            browser.look(width, height, scheme, scale=1)
            wide = browser.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                troubles.append(f"{name}{suffix}: {wide} wide in a window of {width}")
            troubles += [f"{name}{suffix}: {finding}" for finding in axe.findings(browser, self._rules)]
            browser.screenshot(SCREENSHOTS / f"panel-{file_name(name)}-{language[:2]}{suffix}.png", whole=True)
        browser.look(*LOOKS[0][:3])
        browser.settle()
        self.calm()
        return troubles

    def looks_well(self, name: str, looks: list[tuple[int, int, str, str]] = BRIEF) -> None:
        """The page that is open is as it should be. For pages to which no link leads, and answers to forms."""
        troubles = self.troubles(name, looks)
        check(not troubles, "\n".join(troubles))

    def looks_well_in_both_languages(self, name: str) -> None:
        """In every look; goes back to Chinese."""
        for language in (EN, ZH):
            self.speaks(language)
            self.looks_well(name, LOOKS)

    def signs_in(self, login: str, code: str = "") -> None:
        self.fill({"login": login, "password": PASSWORD, "code": code})
        self.send("/panel/sign-in")
