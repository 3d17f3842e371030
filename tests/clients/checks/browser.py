#!/usr/bin/env python3
"""A stand-in for a person with a browser: opens the consent page, proves the right to the group, and lets the client in.

    STAND_IN_KEY=mcp_key_… python3 browser.py AUTHORIZE_URL [--follow]

It does what a browser does and no more: it keeps cookies, submits the page's own form with its hidden fields and the
headers browsers send, and prints where the answer goes. With --follow it also goes there, as a browser would: to the
listener of a client on this machine.
"""

from __future__ import annotations

import http.client
import os
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

SECONDS = 20
AGENT = "Mozilla/5.0 (X11; Linux x86_64) stand-in"


@dataclass
class Form:
    """One form of a page: where it goes, and its fields with the values they have already."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    #: Fields a person fills in.
    blank: set[str] = field(default_factory=set)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """The forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        if not self.forms or "name" not in given or "disabled" in given:
            return
        form, name, value = self.forms[-1], given["name"], given.get("value", "")
        if tag == "button":
            form.buttons.append((name, value))
        elif tag == "input" and given.get("type") in ("checkbox", "radio"):
            if "checked" in given:
                form.fields[name] = value or "on"
        elif tag == "input":
            form.fields[name] = value
            if given.get("type", "text") != "hidden":
                form.blank.add(name)


class Browser:
    """Cookies, and the last page."""

    def __init__(self) -> None:
        self._cookies: dict[str, dict[str, str]] = {}
        self.url = ""

    def open(self, url: str) -> tuple[int, str, str]:
        """Status, Location and text of a page that is typed in or linked to."""
        return self._send("GET", url, {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, None)

    def submit(self, form: Form, values: dict[str, str]) -> tuple[int, str, str]:
        """The same of a form that is sent off."""
        here = urlsplit(self.url)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"{here.scheme}://{here.netloc}", "Sec-Fetch-Site": "same-origin"}
        headers |= {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        return self._send("POST", urljoin(self.url, form.action), headers, urlencode({**form.fields, **values}))

    def _send(self, method: str, url: str, headers: dict[str, str], body: str | None) -> tuple[int, str, str]:
        place = urlsplit(url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = kind(place.hostname or "", place.port, timeout=SECONDS)
        jar = self._cookies.setdefault(place.netloc, {})
        if jar:
            headers = {**headers, "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        try:
            connection.request(method, target, body, {"User-Agent": AGENT, "Accept": "text/html", "Accept-Language": "zh-CN,en;q=0.5", **headers})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            jar[name.strip()] = value.strip()
        self.url = url
        return answer.status, urljoin(url, answer.headers.get("Location", "")) if answer.headers.get("Location") else "", text


class Refused(Exception):
    """The page did not do what a page of ours does."""


def consent(url: str, values: dict[str, str]) -> str:
    """Fills in the consent page; returns the address the answer goes to."""
    browser = Browser()
    status, location, text = browser.open(url)
    while status in (302, 303) and location:
        status, location, text = browser.open(location)
    forms = [form for form in Page(text).forms if set(values) <= form.blank]
    if status != 200 or not forms:
        raise Refused(f"the consent page answered {status}: {text[:2000]}")
    [form] = forms
    allow = next((button for button in form.buttons if button == ("action", "allow")), None)
    if allow is None:
        raise Refused(f"the page has no button that allows: {form.buttons}")
    status, location, text = browser.submit(form, {**values, allow[0]: allow[1]})
    if status != 303 or not location:
        raise Refused(f"the answer to the form was {status}: {text[:2000]}")
    return location


def main() -> int:
    location = consent(sys.argv[1], {"key": os.environ["STAND_IN_KEY"]})
    if "--follow" in sys.argv[2:]:
        Browser().open(location)
    print(location)
    return 0


if __name__ == "__main__":
    sys.exit(main())
