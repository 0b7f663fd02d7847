"""Formulas that docstrings write in plain text, set as formulas on the pages.

``help`` shows a docstring as it is written, so it says ``W = W_N ... W_1``; a page shows
:math:`W = W_N \\cdots W_1`. A formula is the longest run of symbols, operators and brackets that
has a subscript or an exponent in it. What is literal, emphasised, a role or code stays as it is.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# What is left alone, in this order; then what a formula is made of.
_PROTECTED = (
    r"``.*?``|:[\w:+.-]+:`[^`]*`|`[^`]*`_{0,2}|\*\*.+?\*\*|(?<![\w*])\*[^\s*][^*]*\*|\w+://\S+"
)
# Functions with a command of their own in TeX, and others.
_KNOWN = set(re.findall(r"\w+", "arg cos cosh cot det dim exp inf ker lim ln log max min sin sinh"))
_KNOWN |= {"sqrt", "sum", "sup", "tan", "tanh"}
_FUNCTIONS = _KNOWN | {"argmin", "diag", "dist", "erf", "rank", "tr", "vec"}
_GREEK = re.findall(
    r"\w+",
    "alpha beta gamma delta epsilon eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi "
    "omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell",
)
# The factors of points and of tangent vectors, by the names that they have in code.
_FACTORS = {"vt": r"v^\top", "Up": "U_p", "Vp": "V_p", "du": "du", "ds": "ds", "dvt": r"dv^\top"}
_LETTERS = {"A_{W,N}": r"\mathcal{A}_{W,N}", "M_k": r"\mathcal{M}_k", "M_l": r"\mathcal{M}_l"}

_INDEX = r"_(?:\{[^{}]*\}|\d+|[A-Za-z]{1,2}(?![A-Za-z_])|(?:min|max|new)(?![A-Za-z_]))"
_POWER = r"\^(?:\{[^{}]*\}|\([^()]*\)|-?\d+/\d+|-?\d+|-?[A-Za-z](?![A-Za-z])|\*)"
_NAMES = "|".join(sorted([*_FUNCTIONS, *_GREEK, *_FACTORS], key=len, reverse=True))
_TOKEN = re.compile(
    rf"""(?P<protected>{_PROTECTED})
    |(?P<space>\s+)
    |(?P<dots>,\s*\.\.\.,?|\.\.\.)
    |(?P<symbol>(?<![A-Za-z_])(?:(?:{_NAMES}|[A-Z]\d)(?![A-Za-z0-9])|[A-Za-z](?![A-Za-z0-9])
        |[A-Za-z]{{2,}}(?=\^))(?:'(?![A-Za-z]))*(?:{_INDEX}|{_POWER})*)
    |(?P<script>(?<=[\])|])(?:{_INDEX}|{_POWER})+)
    |(?P<number>(?<![A-Za-z_\d])\d+(?:\.\d+)?(?:e-?\d+)?(?![A-Za-z_\d])(?:{_POWER})?)
    |(?P<operator><=|>=|!=|->|\\\||\|\||[-+*/=<>|])
    |(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>[,;])
    |(?P<word>[^\W\d_][\w'-]*|.)""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS = {
    "<=": r"\le",
    ">=": r"\ge",
    "!=": r"\ne",
    "->": r"\to",
    "*": r"\cdot",
    "||": r"\|",
    "\\|": r"\|",
}


class _Token(NamedTuple):
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(str(found.lastgroup), found.group())


def set_formulas(text: str) -> str:
    """Return a paragraph of a docstring with its formulas as math roles."""
    written: list[str] = []
    run: list[_Token] = []
    depth = 0
    for token in [*_tokens(text), _Token("word", "")]:
        inside = token.kind not in ("protected", "word") and not (
            token.kind == "comma" and depth == 0
        )
        if token.kind == "close" and depth == 0:
            inside = False
        if inside:
            run.append(token)
            depth += {"open": 1, "close": -1}.get(token.kind, 0)
        else:
            written += [_of_run(run), token.text]
            run, depth = [], 0
    return "".join(written)


def _of_run(run: list[_Token]) -> str:
    """A run with its formula set, if there is one; brackets that do not close are no part of it."""
    opened = []
    for place, token in enumerate(run):
        if token.kind == "open":
            opened.append(place)
        elif token.kind == "close":
            opened.pop()
    if opened:
        cut = opened[-1]
        return _of_run(run[:cut]) + run[cut].text + _of_run(run[cut + 1 :])
    first, last = 0, len(run)
    while first < last and _not_first(run, first, last):
        first += 1
    while first < last and (
        run[last - 1].kind in ("space", "comma", "dots") or run[last - 1].text in "+-*/=<>->="
    ):
        last -= 1
    if (
        last - first > 2
        and last < len(run)
        and run[last - 1].text == "a"
        and run[last - 2].kind == "space"
    ):
        last -= 2  # an article, as in "of L^1 a matrix is"
    text = "".join(token.text for token in run)
    if not any(_has_script(token) for token in run[first:last]):
        return text
    before, after = ("".join(token.text for token in part) for part in (run[:first], run[last:]))
    # A role ends where a space or a sign of punctuation follows.
    return f"{before}{_glue(before)}:math:`{_tex(run[first:last])}`{after}"


def _glue(before: str) -> str:
    return "" if not before or before[-1].isspace() or before[-1] in "([-" else "\\ "


def _not_first(run: list[_Token], place: int, last: int) -> bool:
    """Whether a token cannot begin a formula: a space, an operator, or the article "a"."""
    token = run[place]
    if token.kind in ("space", "comma", "dots"):
        return True
    if token.kind == "operator":
        return token.text not in ("-", "|", "||", "\\|")
    following = [other for other in run[place + 1 : last] if other.kind != "space"]
    article = token.text in ("a", "A", "I")
    return article and bool(following) and following[0].kind in ("symbol", "open")


def _has_script(token: _Token) -> bool:
    return token.kind == "script" or (
        token.kind in ("symbol", "number") and ("_" in token.text or "^" in token.text)
    )


def _tex(run: list[_Token]) -> str:
    kept = [token for token in run if token.kind != "space"]
    parts = []
    for place, token in enumerate(kept):
        before = kept[place - 1] if place else None
        after = kept[place + 1] if place + 1 < len(kept) else None
        if token.kind == "dots":
            parts.append(r", \dots," if token.text.count(",") > 1 else _dots(token, after))
        elif token.text == "x" and _is_factor(before) and _is_factor(after):
            parts.append(r"\times")
        elif token.kind == "operator":
            parts.append(_OPERATORS.get(token.text, token.text))
        elif token.kind in ("symbol", "number"):
            parts.append(_symbol(token.text))
        else:
            parts.append(_scripts(token.text))
    tex = " ".join(parts)
    tex = re.sub(r"\\sqrt \( ([^()]*) \)", r"\\sqrt{\1}", tex)
    tex = re.sub(r"([(\[]) | (?=[)\],])|(?<=\w) (?=\[)", r"\1", tex)
    return re.sub(r" (?=[_^])", "", tex)


def _dots(token: _Token, after: _Token | None) -> str:
    if token.text.startswith(","):
        return r", \dots"
    return r"\dots" if after is None or after.kind in ("comma", "close") else r"\cdots"


def _is_factor(token: _Token | None) -> bool:
    return token is not None and token.kind in ("symbol", "number", "open", "close", "script")


def _symbol(text: str) -> str:
    if text in _LETTERS:
        return _LETTERS[text]
    for name, tex in _LETTERS.items():
        if text.startswith((name + "^", name + "'")):
            return tex + _scripts(text[len(name) :])
    base, primes, rest = re.fullmatch(
        r"([A-Za-z]*\d*(?:\.\d+)?(?:e-?\d+)?)('*)(.*)", text, re.DOTALL
    ).groups()
    if base in _FACTORS:
        tex = _FACTORS[base]
        tex = f"{{{tex}}}" if rest and "^" in tex else tex
    elif base in _GREEK or base in _KNOWN:
        tex = f"\\{base}"
    elif base in _FUNCTIONS:
        tex = rf"\operatorname{{{base}}}"
    elif re.fullmatch(r"[A-Z]\d", base):
        tex = f"{base[0]}_{base[1]}"
    elif base.isalpha() and len(base) > 1:
        tex = rf"\mathrm{{{base}}}"
    else:
        tex = base
    return tex + primes + _scripts(rest)


def _scripts(text: str) -> str:
    """Subscripts and exponents with their braces: `_ij` as `_{ij}`, `^(1/N)` as `^{1/N}`."""

    def braced(found: re.Match[str]) -> str:
        sign, content = found.group(1), found.group(2)
        if content[0] in "({":
            content = content[1:-1]
        content = r"\top" if content == "T" else content.replace(" x ", r" \times ")
        return f"{sign}{content}" if len(content) == 1 else f"{sign}{{{content}}}"

    return re.sub(r"([_^])(\{[^{}]*\}|\([^()]*\)|[^_^{}()\s]+)", braced, text)


_CODE = re.compile(r"\s*\.\. (math|code|code-block|plot|figure|image|only)::|.*::\s*$")


def set_lines(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with its formulas set; code and displayed formulas stay."""
    result: list[str] = []
    paragraph: list[str] = []
    code = -1  # the indentation of what announced the code that follows

    def finish() -> None:
        if paragraph:
            result.extend(set_formulas("\n".join(paragraph)).split("\n"))
            paragraph.clear()

    examples = False
    for line in lines:
        indentation = len(line) - len(line.lstrip())
        blank = not line.strip()
        if not blank and code >= 0 and indentation <= code:
            code = -1
        examples = not blank and (examples or line.lstrip().startswith(">>>"))
        if blank or code >= 0 or examples:
            finish()
            result.append(line)
            continue
        if paragraph and indentation != len(paragraph[-1]) - len(paragraph[-1].lstrip()):
            finish()
        if _CODE.match(line):
            finish()
            code = indentation
            result.append(line if line.lstrip().startswith("..") else set_formulas(line))
            continue
        paragraph.append(line)
    finish()
    return result


def process(app: Any, what: str, name: str, object_: Any, options: Any, lines: list[str]) -> None:
    """Set the formulas of one docstring, after numpydoc has made its sections."""
    lines[:] = set_lines(lines)


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
