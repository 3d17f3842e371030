"""A real Chromium without a window, spoken to over its debugging pipe: JSON, ended by a zero byte, on descriptors 3 and 4."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

FLAGS = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-background-networking"]

# Of a longer page there is a picture of its beginning.
TALLEST = 4000


class Failed(Exception):
    """Something on the page is not as it should be."""


class Chromium:
    """One browser with one page, and everything the page said and asked for."""

    def __init__(self, command: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="anmei-mcp-browser-", ignore_cleanup_errors=True)
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        line = [command, *FLAGS, *sandbox, f"--user-data-dir={self._profile.name}", "about:blank"]
        shell = ["sh", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "sh", *line]
        self._process = subprocess.Popen(shell, pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._last, self._session = b"", 0, None
        self.errors: list[str] = []
        self.requests: list[str] = []
        #: Whether questions of the page are answered with yes, and which it asked.
        self.accepts = False
        self.questions: list[str] = []
        self.agent = self.ask("Browser.getVersion")["userAgent"]
        target = next(target for target in self.ask("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)  # The end of the pipe is the end of the browser.
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        self._profile.cleanup()

    def ask(self, method: str, **params: object) -> dict:
        """One command and its answer; events that come before it are kept."""
        asked = self._send(method, **params)
        until = time.monotonic() + 30
        while True:
            answer = self._next(until - time.monotonic())
            if answer is None:
                raise Failed(f"the browser did not answer {method}")
            if answer.get("id") == asked:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _send(self, method: str, **params: object) -> int:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | ({"sessionId": self._session} if self._session else {})
        whole = json.dumps(message).encode() + b"\0"
        while whole:
            whole = whole[os.write(self._write, whole) :]
        return self._last

    def _next(self, seconds: float) -> dict | None:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(seconds, 0))[0]:
                return None
            received = os.read(self._read, 1 << 20)
            if not received:
                raise Failed("the browser ended")
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded = json.loads(message)
        self._keep(decoded.get("method"), decoded.get("params", {}))
        return decoded

    def _keep(self, event: str | None, params: dict) -> None:
        if event == "Runtime.exceptionThrown":
            self.errors.append(f"exception: {params['exceptionDetails'].get('exception', {}).get('description') or params['exceptionDetails']['text']}")
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(f"console: {[value.get('value') for value in params['args']]}")
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
        elif event == "Page.javascriptDialogOpening":
            # Pages of ours ask at most; only what a stranger wrote would call alert.
            ours = self.accepts and params["type"] == "confirm"
            self._send("Page.handleJavaScriptDialog", accept=ours)
            if not ours:
                raise Failed(f"the page opened a dialog ({params['type']}): {params['message']}")
            self.questions.append(params["message"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requests.append(params["url"])

    def evaluate(self, expression: str) -> object:
        """The value of an expression on the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 5) -> float:
        """Waits until an expression is true. Returns the seconds that took."""
        began = time.monotonic()
        while not self._holds(expression):
            if time.monotonic() - began > seconds:
                raise Failed(f"not within {seconds} s: {expression}; the page says: {self.evaluate('document.body.innerText')}")
            time.sleep(0.02)
        return time.monotonic() - began

    def _holds(self, expression: str) -> bool:
        """Whether it is true now. Of a page that comes or goes at this very moment nothing can be said yet."""
        try:
            return bool(self.evaluate(f"(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"))
        except Failed as failed:
            if "navigated or closed" in str(failed):
                return False
            raise

    def open(self, url: str, language: str) -> None:
        """Opens an address as a reader of this language."""
        self.ask("Emulation.setUserAgentOverride", userAgent=self.agent, acceptLanguage=language)
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def follow(self, selector: str) -> None:
        """A press that leads to another page, and the wait until that is there."""
        self.evaluate("window.stays = true")
        self.click(selector)
        self.wait("!window.stays && document.readyState === 'complete'", 15)

    def click(self, selector: str) -> None:
        """A press of the mouse in the middle of an element, or of its first line, wherever that is."""
        place = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e || e.disabled) return null;"
            " e.scrollIntoView({block: 'center'}); const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        if place is None:
            raise Failed(f"{selector} cannot be clicked")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key of the keyboard: Tab, Enter, Space or Escape, wherever the focus is."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "Escape": (27, "")}[key]
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, selector: str, text: str) -> None:
        """Replaces what is in a field, as by hand."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.ask("Input.insertText", text=text)

    def tick(self, selector: str, on: bool = True) -> None:
        """Ticks a box, or takes the tick away."""
        if self.evaluate(f"document.querySelector({json.dumps(selector)}).checked") != on:
            self.click(selector)

    def choose(self, selector: str, value: str) -> None:
        """Takes an option of a list, or moves a slider."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
            " for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def settle(self) -> None:
        """Waits until a change of the window is drawn: the menu opens where there is room for it, and moves what is to be pressed next."""
        self.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")

    def look(self, width: int, height: int, scheme: str, scale: int = 2) -> None:
        """The size of the window and the colours the reader prefers."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
        # Without motion: colours that are on their way from one scheme to the other are those of neither.
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        self.ask("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in wishes.items()])

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """What the window shows, or the whole page as far as a picture of it can be looked at."""
        path.parent.mkdir(parents=True, exist_ok=True)
        clip = {}
        if whole:
            width, height = self.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            clip = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": 1}}
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png", **clip)["data"]))
