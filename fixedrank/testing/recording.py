"""Collect findings while a check runs, and turn them into a report or an error."""

from __future__ import annotations

from typing import Any, NoReturn

from fixedrank.testing.reports import CheckFailedError, CheckReport, Finding


class Record:
    """The findings and notes of one check."""

    def __init__(self, check: str, subject: str, seed: int) -> None:
        self.check, self.subject, self.seed = check, subject, seed
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.conclusive = True

    def add(self, *args: Any, **kwargs: Any) -> Finding:
        """Add a finding, with the arguments of `Finding`."""
        finding = Finding(*args, **kwargs)
        self.findings.append(finding)
        return finding

    def note(self, text: str) -> None:
        """Add a note."""
        self.notes.append(text)

    def stop(self, name: str, count: int, hint: str) -> NoReturn:
        """Raise for something that should occur no times, and makes it impossible to go on."""
        self.add(name, count, "=", 0, hint=hint)
        raise CheckFailedError(self._report())

    def finish(self) -> CheckReport:
        """Return the report, or raise if a finding failed."""
        report = self._report()
        if not report.passed:
            raise CheckFailedError(report)
        return report

    def _report(self) -> CheckReport:
        return CheckReport(
            self.check,
            self.subject,
            tuple(self.findings),
            tuple(self.notes),
            self.seed,
            self.conclusive,
        )
