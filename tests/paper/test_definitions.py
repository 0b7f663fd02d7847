"""The nine figures are those of the paper's appendix."""

import pytest

from fixedrank.paper import paper_figures, unique_settings

DEPTHS = [2, 5, 10, 20]
SUPERVISED, AUTOENCODER = [(20, 2), (200, 20)], [(20, 1), (200, 10)]
# Number: case, start, quantity, (d, r) of the panels.
BY_DEPTH = {
    1: ("supervised", "balanced", "distance_to_limit", SUPERVISED),
    2: ("supervised", "gaussian", "distance_to_limit", SUPERVISED),
    4: ("supervised", "balanced", "loss", SUPERVISED),
    8: ("autoencoder", "balanced", "distance_to_final", AUTOENCODER),
    9: ("autoencoder", "gaussian", "distance_to_final", AUTOENCODER),
}
# Number: start, quantity, depths of the panels.
BY_DIMENSION = {
    5: ("balanced", "distance_to_limit", [2, 20]),
    6: ("balanced", "reconstruction_error", [2, 20]),
    7: ("gaussian", "distance_to_limit", [5, 10]),
}


def test_there_are_nine():
    assert list(paper_figures()) == list(range(1, 10))
    assert list(paper_figures(quick=True)) == list(range(1, 10))


@pytest.mark.parametrize("number", BY_DEPTH)
def test_figures_with_a_curve_for_each_depth(number):
    case, start, quantity, sizes = BY_DEPTH[number]
    figure = paper_figures()[number]
    assert figure.quantity.name == quantity
    for panel, size in zip(figure.panels, sizes, strict=True):
        settings = [setting for _, setting in panel.curves]
        assert [s.depth for s in settings] == DEPTHS
        assert {(s.case, s.start, s.rounding) for s in settings} == {(case, start, "up")}
        assert {(s.d, s.rank) for s in settings} == {size}


def test_figure_3_has_both_starts():
    figure = paper_figures()[3]
    assert figure.quantity.name == "distance_to_true"
    for panel, start in zip(figure.panels, ("balanced", "gaussian"), strict=True):
        settings = [setting for _, setting in panel.curves]
        assert [s.depth for s in settings] == DEPTHS
        assert {(s.case, s.start, s.d, s.rank) for s in settings} == {("supervised", start, 20, 2)}


@pytest.mark.parametrize("number", BY_DIMENSION)
def test_figures_with_a_curve_for_each_dimension(number):
    start, quantity, depths = BY_DIMENSION[number]
    figure = paper_figures()[number]
    assert figure.quantity.name == quantity
    for panel, depth in zip(figure.panels, depths, strict=True):
        settings = [setting for _, setting in panel.curves]
        assert len(settings) >= 3
        for s in settings:
            assert (s.case, s.start, s.depth, s.rounding) == (
                "autoencoder",
                start,
                depth,
                "nearest",
            )
            assert 2 * depth <= s.d <= 20 * depth
            assert s.rank == (s.d + 1) // 2
        assert {2 * depth, 20 * depth} <= {s.d for s in settings}


def test_labels_say_what_differs():
    for figure in paper_figures().values():
        for panel in figure.panels:
            for label, s in panel.curves:
                expected = f"$N = {s.depth}$"
                if figure.number in BY_DIMENSION:
                    expected = f"$d_x = {s.d}$, $r = {s.rank}$"
                assert label == expected


def test_figures_share_experiments():
    figures = paper_figures()
    settings = unique_settings(list(figures.values()))
    assert len(settings) == len(set(settings)) == 8 + 8 + 8 + 8 + 8 + 8
    assert unique_settings([figures[1], figures[4]]) == figures[1].settings


def test_quick_ones_are_smaller():
    full, quick = paper_figures(), paper_figures(quick=True)
    for number in full:
        assert quick[number].quantity == full[number].quantity
        assert max(s.d for s in quick[number].settings) <= 60
        assert {s.start for s in quick[number].settings} == {s.start for s in full[number].settings}
        depths = [sorted({s.depth for s in figures[number].settings}) for figures in (quick, full)]
        assert min(len(found) for found in depths) >= 2
        assert max(depths[0]) < max(depths[1])
