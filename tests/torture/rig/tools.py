"""The instruments: strace that injects, and file systems that can be filled or cut off."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


def strace(inject: str) -> list[str]:
    """A prefix that hurts one kind of system call, such as `fdatasync:signal=KILL:when=7`."""
    calls, what = inject.split(":", 1)
    # A filter in the kernel lets all other calls run at full speed; under it, strace 6.1 injects no signals.
    speed = [] if "signal=" in what else ["--seccomp-bpf"]
    return ["strace", "-f", *speed, "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={inject}"]


def run(*line: str) -> None:
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise OSError(f"{' '.join(line)}: {ended.stderr.strip()}")


class Trimmer:
    """Tells what a daemon holds from what the C library keeps for it: compiled here, and preloaded by its environment."""

    def __init__(self, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        library, self._file = work / "trim.so", work / "trim.now"
        run("cc", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("trim.c")), "-lpthread")
        self.environment = {"LD_PRELOAD": str(library), "TRIM_FILE": str(self._file)}

    def trim(self) -> None:
        """Gives back what is kept, and waits until it is done."""
        self._file.touch()
        until = time.monotonic() + 10
        while self._file.exists():
            if time.monotonic() > until:
                raise OSError("nothing was given back: the daemon does not run with the library that does it")
            time.sleep(0.02)


@contextmanager
def mounted(what: list[str], where: Path) -> Iterator[Path]:
    where.mkdir(parents=True, exist_ok=True)
    run("mount", *what, str(where))
    try:
        yield where
    finally:
        run("umount", "--lazy", str(where))


def image(path: Path, content: Path) -> None:
    """An ext4 image that holds a copy of `content` as `data`."""
    with path.open("wb") as file:
        file.truncate(96 * 1024 * 1024)
    run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(path))
    with mounted(["-o", "loop", str(path)], path.with_suffix(".mnt")) as root:
        shutil.copytree(content, root / "data")


def can_mount(work: Path) -> str | None:
    """Why file systems cannot be mounted here; nothing when they can."""
    try:
        probe = work / "probe.img"
        with probe.open("wb") as file:
            file.truncate(8 * 1024 * 1024)
        run("mkfs.ext4", "-q", str(probe))
        with mounted(["-o", "loop", str(probe)], work / "probe"):
            pass
        with mounted(["-t", "tmpfs", "-o", "size=1m", "tmpfs"], work / "probe"):
            pass
    except OSError as error:
        return str(error)
    return None
