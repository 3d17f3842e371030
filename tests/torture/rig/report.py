"""Figures as people read them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .judge import Verdict


@dataclass
class Result:
    """One line of the table."""

    case: str
    acked: int = 0
    lost: int = 0
    doubled: int = 0
    recovery: float = 0.0
    figures: str = ""
    findings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, case: str, verdict: Verdict, figures: str = "") -> Result:
        return cls(case, verdict.acked, verdict.lost, verdict.doubled, verdict.seconds, figures, list(verdict.findings))

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.findings)


HEADINGS = ("CASE", "ACKED", "LOST", "DOUBLED", "RECOVERY", "RESULT", "FIGURES")


def show(results: list[Result]) -> None:
    lines = [HEADINGS]
    lines += [(r.case, str(r.acked), str(r.lost), str(r.doubled), f"{r.recovery:.2f} s", "ok" if r.good else "FAILED", r.figures) for r in results]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    for result in results:
        for finding in result.findings[:10]:
            print(f"{result.case}: {finding}")
        if len(result.findings) > 10:
            print(f"{result.case}: and {len(result.findings) - 10} more")
