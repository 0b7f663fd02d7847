"""Names of other libraries lead to their pages."""

import pytest
from outside import aliases, page

import fixedrank

# Addresses as these libraries publish them.
PAGES = {
    "numpy.ndarray": "https://numpy.org/doc/stable/reference/generated/numpy.ndarray.html",
    "numpy.linalg.svd": "https://numpy.org/doc/stable/reference/generated/numpy.linalg.svd.html",
    "numpy.random.Generator": "https://numpy.org/doc/stable/reference/random/generator.html"
    "#numpy.random.Generator",
    "scipy.integrate.solve_ivp": "https://docs.scipy.org/doc/scipy/reference/generated/"
    "scipy.integrate.solve_ivp.html",
    "pymanopt.manifolds.FixedRankEmbedded": "https://pymanopt.org/docs/stable/manifolds.html"
    "#pymanopt.manifolds.fixed_rank.FixedRankEmbedded",
    "pymanopt.optimizers.TrustRegions": "https://pymanopt.org/docs/stable/optimizers.html"
    "#pymanopt.optimizers.trust_regions.TrustRegions",
    "pymanopt.Problem": "https://pymanopt.org/docs/stable/problem.html"
    "#pymanopt.core.problem.Problem",
    "concurrent.futures.Executor": "https://docs.python.org/3/library/concurrent.futures.html"
    "#concurrent.futures.Executor",
}


@pytest.mark.parametrize("name", PAGES)
def test_names_lead_to_their_pages(name):
    assert page(name) == PAGES[name]


@pytest.mark.parametrize(
    "name", ["numpy.no_such_name", "scipy.linalg.svdd", "pymanopt.Problems", "fixedrank.x", "numpy"]
)
def test_names_that_do_not_exist_lead_nowhere(name):
    assert page(name) is None


def test_short_names_of_types_are_known():
    known = aliases()
    assert known["FixedRank"] == "fixedrank.FixedRank"
    for name, full in known.items():
        if full.startswith("fixedrank."):
            assert hasattr(fixedrank, name)
        else:
            assert page(full.removeprefix(":obj:").strip("`"))
