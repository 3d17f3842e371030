"""axe-core, which looks for what keeps people from using a page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from chromium import Chromium

HERE = Path(__file__).resolve().parent


def source(work: Path) -> str:
    """The text of axe-core at the version of package-lock.json, installed below `work` when it is not there yet."""
    lists = [HERE / "package.json", HERE / "package-lock.json"]
    program, installed = work / "node_modules" / "axe-core" / "axe.min.js", work / "package-lock.json"
    if not program.exists() or not installed.exists() or installed.read_text() != lists[1].read_text():
        work.mkdir(parents=True, exist_ok=True)
        for file in lists:
            shutil.copy(file, work / file.name)
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=work, check=True, timeout=300)
    return program.read_text()


def findings(browser: Chromium, axe: str) -> list[str]:
    """What axe-core finds on the page that is open, by rule and place."""
    if not browser.evaluate("Boolean(window.axe)"):
        browser.evaluate(f"{axe}; true")
    found = browser.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => JSON.stringify(result.violations))")
    lines = []
    for violation in json.loads(str(found)):
        places = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        why = violation["nodes"][0].get("failureSummary", "").replace("\n", " ")
        lines.append(f"{violation['id']} ({violation['impact']}): {', '.join(places[:4])}: {why}"[:600])
    return lines
