"""Formulas in docstrings are found, and set."""

import inspect
import re

import pytest
from formulas import set_formulas, set_lines

import fixedrank
import fixedrank.testing

# Text, and what becomes of it, as one would write it by hand.
CASES = [
    (
        "Return the product W = W_N ... W_1 of the layers, equation (1).",
        r"Return the product :math:`W = W_N \cdots W_1` of the layers, equation (1).",
    ),
    (
        "At W = U diag(s) V^T, a matrix of M_k.",
        r"At :math:`W = U \operatorname{diag} (s) V^{\top}`, a matrix of :math:`\mathcal{M}_k`.",
    ),
    ("The widths [d_0, ..., d_N].", r"The widths :math:`[d_0, \dots, d_N]`."),
    ("Layers W_1, ..., W_N, as they are.", r"Layers :math:`W_1, \dots, W_N`, as they are."),
    ("The operator A_{W,N}.", r"The operator :math:`\mathcal{A}_{W,N}`."),
    ("Costs O((m + n) k^2) time.", r"Costs :math:`O ((m + n) k^2)` time."),
    (
        "Norm of W_{j+1}^T W_{j+1} - W_j W_j^T, relative.",
        r"Norm of :math:`W_{j+1}^{\top} W_{j+1} - W_j W_j^{\top}`, relative.",
    ),
    ("None takes 1/sqrt(d_j) for W_j.", r"None takes :math:`1 / \sqrt{d_j}` for :math:`W_j`."),
    ("As dense d_y x d_x arrays.", r"As dense :math:`d_y \times d_x` arrays."),
    ("Weights s_j^(2 - 2/N) at most.", r"Weights :math:`s_j^{2 - 2/N}` at most."),
    (r"At most \|Y\|_F^2 / 2.", r"At most :math:`\| Y \|_F^2 / 2`."),
    (
        "The critical points of L^1 a flow meets.",
        "The critical points of :math:`L^1` a flow meets.",
    ),
    ("(on M_l, that is)", r"(on :math:`\mathcal{M}_l`, that is)"),
    ("a formula W_1 ...\n    W_N in two lines", "a formula :math:`W_1 \\cdots W_N` in two lines"),
]
# No formulas, or formulas already.
UNCHANGED = [
    "An m x n matrix of rank k, N >= 1.",
    "What ``W_N ... W_1`` and :math:`A_{W,N}` and :class:`A_b` are.",
    "The option t_bound of network_loss, or **d_x** : int.",
    "A sentence. I am one, and so is (a) and [b].",
    "See https://example.org/a_1^2.",
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_formulas_are_set(text, expected):
    assert set_formulas(text) == expected


@pytest.mark.parametrize("text", UNCHANGED)
def test_other_text_stays(text):
    assert set_formulas(text) == text


@pytest.mark.parametrize("text", [expected for _, expected in CASES])
def test_what_is_set_stays(text):
    assert set_formulas(text) == text


def test_code_and_displayed_formulas_stay():
    lines = [
        "The W_1 here:",
        "",
        "    W_2 is set, as it is no code.",
        "",
        "Code follows::",
        "",
        "    W_3 = 1",
        "",
        ".. math::",
        "",
        "    W_4 = W_5^T",
        "",
        ">>> W_6 = 1",
        "W_7",
        "",
        "W_8",
    ]
    text = "\n".join(set_lines(lines))
    assert re.findall(r":math:`W_(\d)`", text) == ["1", "2", "8"]
    assert len(set_lines(lines)) == len(lines)


def public():
    """All public functions and classes with their own methods, by name."""
    for module in (fixedrank, fixedrank.testing):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isclass(found) or inspect.isfunction(found):
                yield f"{module.__name__}.{name}", found
            for key, member in vars(found).items() if inspect.isclass(found) else ():
                if not key.startswith("_") and inspect.isfunction(member) and member.__doc__:
                    yield f"{module.__name__}.{name}.{key}", member


DOCUMENTED = dict(public())


def test_public_names_are_found():
    assert len(DOCUMENTED) > 150


@pytest.mark.parametrize("name", DOCUMENTED)
def test_summaries_are_sentences(name):
    """The first sentence, as lists of names show it, is whole: its dots end no formula."""
    paragraph = inspect.getdoc(DOCUMENTED[name]).partition("\n\n")[0]
    summary = " ".join("\n".join(set_lines(paragraph.split("\n"))).split())
    first = re.split(r"(?<=\.)\s", summary)[0]
    assert first.endswith(".")
    assert len(first) > 20
    assert first.count("`") % 2 == 0


@pytest.mark.parametrize("name", DOCUMENTED)
def test_no_formula_is_left_in_the_prose_of_docstrings(name):
    text = "\n".join(set_lines(inspect.getdoc(DOCUMENTED[name]).split("\n")))
    prose = re.sub(r"``.*?``|:\w+:`[^`]*`|\*\*.*?\*\*", "", text, flags=re.DOTALL)
    prose = re.sub(r"^ *\.\. math::.*\n(\n|   .*\n?)*", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"^ *>>>.*(\n.+)*", "", prose, flags=re.MULTILINE)
    assert not re.search(r"_\{|\^|\b[A-Z]_\w\b", prose)
