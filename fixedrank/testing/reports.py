"""What a check found: numbers, what they should be, and what a wrong one hints at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fixedrank._shown import Displayed, Table, number, some

_MARKS = {True: "ok", False: "FAILED", None: "open"}


@dataclass(frozen=True)
class Finding:
    """One number that a check measured, and what it should be.

    Parameters
    ----------
    name : str
        What was measured.
    measured : float
        The number.
    relation : {"=", "<=", ">=", ">"}
        How it should relate to what is expected.
    expected : float
        What it should be, or its bound.
    tolerance : float
        By how much it may differ from that.
    decided : bool
        False where the number says nothing either way, for instance because it is round-off.
    hint : str
        The likely mistake, where there is one.

    Examples
    --------
    >>> from fixedrank.testing import Finding
    >>> print(Finding("slope of the error", 1.0, ">=", 2.0, 0.25, hint="wrong gradient?"))
    FAILED  slope of the error: 1, should be at least 2 (tolerance 0.25)
            wrong gradient?
    """

    name: str
    measured: float
    relation: Literal["=", "<=", ">=", ">"]
    expected: float
    tolerance: float = 0.0
    decided: bool = True
    hint: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the number is as it should be; None where it says nothing."""
        if not self.decided:
            return None
        if self.relation == ">":
            return bool(self.measured > self.expected)
        excess = self.measured - self.expected
        if self.relation == "=":
            excess = abs(excess)
        elif self.relation == ">=":
            excess = -excess
        return bool(excess <= self.tolerance)

    def __str__(self) -> str:
        wanted = {"=": "", "<=": "at most ", ">=": "at least ", ">": "above "}[self.relation]
        digits = 10 if self.relation == "=" else 4
        tolerance = f" (tolerance {self.tolerance:.2g})" if self.tolerance else ""
        text = (
            f"{_MARKS[self.passed]:6}  {self.name}: {self.measured:.{digits}g}, "
            f"should be {wanted}{self.expected:.{digits}g}{tolerance}"
        )
        return text if self.passed or not self.hint else f"{text}\n        {self.hint}"


@dataclass(frozen=True, repr=False)
class CheckReport(Displayed):
    """What a check found, value by value.

    Parameters
    ----------
    check : str
        Name of the check.
    subject : str
        What was checked.
    findings : tuple of Finding
        The numbers, in the order in which they were measured.
    notes : tuple of str
        What else a reader should know: which curve was used, what could not be checked.
    seed : int
        With ``rng=seed`` the check draws the same again.
    conclusive : bool
        False where something could not be checked at all, as the notes tell. A single finding
        may stay open without that: where one way to measure drowns in round-off, another serves.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import check_retraction
    >>> report = check_retraction(fixedrank.FixedRank(4, 3, 2, depth=2), rng=0)
    >>> report.passed, report.conclusive
    (True, True)
    >>> round(report["slope of |R(t Z) - W - t Z| over t"].measured)
    2
    """

    check: str
    subject: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    seed: int
    conclusive: bool = True

    @property
    def passed(self) -> bool:
        """Whether no finding failed."""
        return not any(finding.passed is False for finding in self.findings)

    def _shown_title(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        return f"{type(self).__name__}: {self.check} on {self.subject}: {verdict}"

    def _shown_facts(self) -> dict[str, str]:
        failed = [finding.name for finding in self.findings if finding.passed is False]
        return {
            "findings": f"{len(self.findings)}, print(report) shows all",
            "failed": some(failed),
            "open": "" if self.conclusive else "something could not be checked",
            "seed": str(self.seed),
        }

    def _shown_table(self) -> Table:
        rows = [
            [
                one.name,
                number(one.measured),
                f"{one.relation} {number(one.expected)}",
                _MARKS[one.passed],
            ]
            for one in self.findings
        ]
        return Table(["finding", "measured", "should be", "found"], rows)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(f"{name!r} is none of {[finding.name for finding in self.findings]}")

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"{self.check} on {self.subject}: {verdict}"]
        lines += [f"  {line}" for finding in self.findings for line in str(finding).split("\n")]
        lines += [f"  note    {note}" for note in self.notes]
        return "\n".join([*lines, f"  again   with rng={self.seed}"])


class CheckFailedError(AssertionError):
    """A check found something wrong.

    Its message tells all numbers, what they should be, and the likely mistake.

    Parameters
    ----------
    report : CheckReport
        What was found.

    Attributes
    ----------
    report : CheckReport
        The same.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import CheckFailedError, check_positive_definite
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
    >>> try:
    ...     check_positive_definite(manifold, lambda point, Z: -Z, rng=0)
    ... except CheckFailedError as error:
    ...     print(round(error.report.findings[-1].measured, 6))
    -1.0
    """

    def __init__(self, report: CheckReport) -> None:
        self.report = report
        super().__init__(report)
