"""Names that go warn where they are used, and are what they were."""

import sys
import types
import warnings

import pytest

import fixedrank
from fixedrank._deprecation import Old, old_names, warn_deprecated

OLD = Old(instead="FixedRank", since="0.3.0", until="0.5.0")


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("some_module")
    made.FixedRank = fixedrank.FixedRank
    made.__getattr__ = old_names("some_module", {"Manifold": OLD})
    monkeypatch.setitem(sys.modules, "some_module", made)
    return made


def test_an_old_name_is_the_new_one_with_a_warning(module):
    message = (
        r"some_module.Manifold is deprecated since fixedrank 0.3.0 and goes with 0.5.0: "
        "use FixedRank"
    )
    with pytest.warns(DeprecationWarning, match=message) as caught:
        assert module.Manifold is fixedrank.FixedRank
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=message):
        from some_module import Manifold
    assert Manifold is fixedrank.FixedRank


def test_other_names_are_as_before(module):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module.FixedRank is fixedrank.FixedRank
        with pytest.raises(AttributeError, match="'some_module' has no attribute 'Manifolds'"):
            _ = module.Manifolds


def test_a_parameter_warns_where_it_is_given():
    def function(scale=None, size=None):
        if size is not None:
            warn_deprecated("size of function", Old("scale", "0.3.0", "0.5.0"))
        return scale or size

    with pytest.warns(DeprecationWarning, match="size of function .* use scale") as caught:
        assert function(size=3) == 3
    assert caught[0].filename == __file__
