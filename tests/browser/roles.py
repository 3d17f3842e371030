"""What people see who may not change everything: the same pages without what they may not do, and a word for why not."""

from __future__ import annotations

from collections.abc import Callable

from cases import check
from person import HOSTILE, ONCE, PASSWORD, Person


def comes_as(person: Person, role: str) -> None:
    """Signs in, in place of whoever was there, with an account of this role."""
    login = f"the_{role}"
    person.demo.cli("account", "add", login, "--name", HOSTILE, "--roles", "consultant", "--tier", "internal", "--panel-role", role, password=PASSWORD)
    person.browser.ask("Network.clearBrowserCookies")
    person.open("/panel/sign-in")
    person.signs_in(login)
    person.expect("/panel/")


def sees(person: Person, role: str, *paths: str) -> None:
    for path in paths:
        person.enters(path)
        person.looks_well(f"{role}{path}", ONCE)


def is_kept_out(person: Person, role: str, path: str) -> None:
    person.open(path)
    person.noted(path, 403)
    person.looks_well(f"{role}-refused")


def first_link(person: Person, page: str, below: str) -> str:
    person.enters(page)
    link = person.browser.evaluate(f"document.querySelector('main td a[href^=\"{below}\"]')?.getAttribute('href')")
    check(link, f"{page} has no link below {below}")
    return str(link)


def as_operator(person: Person) -> None:
    """Does the daily work, and neither makes groups nor accounts."""
    comes_as(person, "operator")
    group = first_link(person, "/panel/groups", "/panel/groups/")
    tool = first_link(person, group, f"{group}/tools/")
    agents = [place for place in person.places if place.startswith("/panel/agents/")]
    sees(person, "operator", "/panel/", group, tool, *agents, "/panel/settings/limits", "/panel/server")
    is_kept_out(person, "operator", "/panel/accounts")


def as_auditor(person: Person) -> None:
    """Changes nothing, and sees what was said, for a reason."""
    comes_as(person, "auditor")
    agents = [place for place in person.places if place.startswith("/panel/agents/")]
    sees(person, "auditor", *agents, "/panel/agents", "/panel/settings/retry", "/panel/notifications/channels")
    for page, below, form in (("/panel/calls", "/panel/calls/", "bodies"), ("/panel/conversations", "/panel/conversations/", "words")):
        one = first_link(person, page, below)
        sees(person, "auditor", one)
        person.fill({"reason": "浏览器里的审计"})
        person.send(f"{one}/{form}")
        person.looks_well(f"auditor-{form}", ONCE)
    is_kept_out(person, "auditor", "/panel/agents/new")


#: By role.
WALKS: dict[str, Callable[[Person], None]] = {"operator": as_operator, "auditor": as_auditor}
