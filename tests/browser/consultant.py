#!/usr/bin/env python3
"""Opens examples/consultant.html in a real Chromium against the real daemon, and works with it as a consultant does.

    python3 tests/browser/consultant.py --binary target/debug/anmei-mcp

Signs in, sees a new customer within two seconds, claims one and is told who took another, in Chinese and in English.
run.py says what it needs.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import axe  # noqa: E402
from cases import SCREENSHOTS, check, each, main, nothing_else  # noqa: E402
from chromium import Chromium  # noqa: E402
from clinic import ROOT, Site  # noqa: E402

CONSULTANT, COLLEAGUE = "usr_sun", "usr_lin"
HOSTILE = "<img src=x onerror=alert(1)><b>VIP</b>"
NOTICED_WITHIN = 2.0
# Width, height, colours, and what the file's name ends in.
LOOKS = [(960, 760, "light", ""), (960, 760, "dark", "-dark"), (390, 844, "light", "-narrow"), (390, 844, "dark", "-narrow-dark")]
LANGUAGES = {
    "zh": {"accept": "zh-CN", "title": "顾问工作台", "mine": "已由您认领", "taken": "已被", "names": ["林晓月", "周雨桐", "沈佳宁"]},
    "en": {"accept": "en-GB", "title": "Consultant desk", "mine": "Claimed by you", "taken": "Claimed by", "names": ["Emma Clark", "王若溪", "Sophie Laurent"]},
}


def card(registration: str) -> str:
    return f'[data-registration="{registration}"]'


def says(registration: str, text: str) -> str:
    return f"document.querySelector('{card(registration)}')?.innerText.includes('{text}')"


def sign_in(browser: Chromium, site: Site, words: dict) -> None:
    browser.open(f"{site.origin}/consultant.html", words["accept"])
    check(browser.evaluate("document.title") == words["title"], f"the title is {browser.evaluate('document.title')}")
    browser.type("#address", site.socket)
    browser.type("#token", "live_not-a-token")
    browser.click("#connect")
    browser.wait("document.querySelector('#state.bad')?.innerText.includes('4401')")
    browser.type("#token", site.token(CONSULTANT))
    browser.click("#connect")
    browser.wait(f"document.querySelector('#state').innerText.includes('{CONSULTANT}')")


def a_consultants_day(browser: Chromium, site: Site, code: str) -> None:
    words = LANGUAGES[code]
    sign_in(browser, site, words)
    registrations = []
    for n, name in enumerate(words["names"]):
        registrations.append(site.register(f"usr_{code}_{n}", name))
        took = browser.wait(says(registrations[-1], name), NOTICED_WITHIN)
        print(f"  {name} was on the page after {took * 1000:.0f} ms")
    mine, taken, waiting = registrations
    browser.click(f"{card(mine)} button")
    browser.wait(says(mine, words["mine"]))
    check(f'"{CONSULTANT}"' in site.cli("claim", "list", "--all", "--json"), "the claim is not in the database")
    site.cli("claim", "take", taken, "--consultant", COLLEAGUE)
    browser.wait(f"{says(taken, words['taken'])} && {says(taken, COLLEAGUE)}")
    check(browser.evaluate(f"document.querySelectorAll('{card(waiting)} button').length") == 1, "who waits can be claimed")
    photograph(browser, code)
    browser.click(f"{card(waiting)} button")
    browser.wait(says(waiting, words["mine"]))


def photograph(browser: Chromium, code: str) -> None:
    """In every look: as wide as the window, nothing that axe-core finds, and a picture for people."""
    rules = axe.source(ROOT / "target" / "browser")
    for width, height, scheme, suffix in LOOKS:
        browser.look(width, height, scheme)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        check(wide <= width, f"the page is {wide} wide in a window of {width}")
        found = axe.findings(browser, rules)
        check(not found, f"consultant-{code}{suffix}: axe-core finds {found}")
        browser.screenshot(SCREENSHOTS / f"consultant-{code}{suffix}.png")
    browser.look(*LOOKS[0][:3])


def strangers_texts(browser: Chromium, site: Site, code: str) -> None:
    """What comes from outside is text: the name, which the daemon tames too, and a title of the operator's, which it does not."""
    site.cli("settings", "set", f"notice.title={HOSTILE}")
    registration = site.register(f"usr_{code}_hostile", HOSTILE)
    browser.wait(f"document.querySelector('{card(registration)}')", NOTICED_WITHIN)
    browser.wait(f"document.querySelector('{card(registration)}').innerText.includes({HOSTILE!r})")
    check(browser.evaluate("document.querySelectorAll('#customers img, #customers b').length") == 0, "a stranger's text became markup")
    site.cli("settings", "reset", "notice.title")


def the_other_language(browser: Chromium, code: str) -> None:
    other = LANGUAGES["en" if code == "zh" else "zh"]
    browser.click("#language")
    browser.wait(f"document.title === '{other['title']}' && document.body.innerText.includes('{other['mine']}')")


def visit(command: str, code: str, site: Site) -> None:
    with Chromium(command) as browser:
        browser.look(*LOOKS[0][:3])
        a_consultants_day(browser, site, code)
        strangers_texts(browser, site, code)
        the_other_language(browser, code)
        # A refused token closes the socket in good order, so not even that is an error to the browser.
        nothing_else(browser, f"{site.origin}/", site.socket)


def run(command: str, binary: Path) -> tuple[int, int]:
    return each(binary, {f"consultant's desk, {code}": functools.partial(visit, command, code) for code in LANGUAGES})


if __name__ == "__main__":
    sys.exit(main(__doc__, run))
