"""Where cases work: one scratch directory, one prepared data directory to copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Site:
    """The place."""

    binary: Path
    work: Path
    prepared: Path
    seed: int
    # Share of the full number of repetitions.
    scale: float = 1.0

    def times(self, full: int) -> int:
        return max(3, round(full * self.scale))

    def file(self, work: Path) -> Path:
        """The ledger of a case: never on the disk that is hurt."""
        work.mkdir(parents=True, exist_ok=True)
        return work / "ledger.jsonl"

    def copy(self, work: Path) -> Path:
        """A data directory that was started once."""
        return Path(shutil.copytree(self.prepared, work / "data"))
