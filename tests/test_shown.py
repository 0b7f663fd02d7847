"""What is printed of an object: a few lines with its sizes, whatever the sizes are."""

import dataclasses
import html.parser
import math
import tracemalloc

import numpy as np
import pymanopt
import pytest
import scipy.sparse

import fixedrank
from fixedrank import (
    Classification,
    CriticalPoint,
    DepthMetric,
    DescentTrajectory,
    Ensemble,
    Experiment,
    FactoredTrajectory,
    FactorsClassification,
    FixedRank,
    FixedRankPoint,
    FlowComparison,
    LinearRegression,
    MatrixCompletion,
    PointClassification,
    RankChange,
    RiemannianTrajectory,
    RunRecord,
    _shown,
    optimizers,
    testing,
)

D, K, TIMES, RUNS = 300, 40, 2000, 1000


@pytest.fixture(scope="module")
def made():
    """Return a function that makes an instance of a public class, of large sizes."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, D, 2 * D))
    manifold = FixedRank(D, D, K, depth=3)
    point = manifold.random_point(rng=0)
    vector = manifold.random_tangent_vector(point, rng=1)
    known = {}

    def get(kind):
        if kind not in known:
            known[kind] = makers[kind]()
        return known[kind]

    def of_flow(last, kept):
        values = np.exp(rng.standard_normal(TIMES))
        return {
            "t": np.linspace(0, 5, TIMES),
            "loss": values,
            "gradient_norm": values,
            "singular_values": np.ones((TIMES, K)),
            "status": "reached the last time; " + "at t = 1 a singular value reached zero; " * K,
            "complete": True,
            "evaluations": 10**6,
            "steps": 10**5,
            "last": last,
            "kept": [kept] * TIMES,
            "keep": "points",
        }

    factors = [np.ones((K, D)), *[np.eye(K)] * 100, np.ones((D, K))]
    changes = tuple(RankChange(float(i), K - i, 0.0, "it reached zero") for i in range(K))

    def record(seed):
        return RunRecord(
            seed, "global minimum", K, "0 1 2", 0.0, 0.0, 1.0, 2.0, 9, 8.0, "reached" * 30, 0.0, "?"
        )

    def critical():
        kind = "global minimum"
        return CriticalPoint(point, tuple(range(K)), 1.0, kind, 0, 0, get("LinearRegression"))

    makers = {
        "LinearRegression": lambda: LinearRegression(X, Y),
        "Classification": lambda: Classification(X, np.arange(2 * D) % K),
        "MomentRegression": lambda: fixedrank.MomentRegression((X, X), (Y, X), np.vdot(Y, Y)),
        "MatrixCompletion": lambda: MatrixCompletion(scipy.sparse.csr_array(X[:, :D])),
        "MatrixSensing": lambda: fixedrank.MatrixSensing((X.T, Y.T), np.ones(2 * D)),
        "Loss": lambda: 2 * get("LinearRegression") + 3 * get("MatrixCompletion"),
        "SchattenDecay": lambda: fixedrank.SchattenDecay(0.1, 3),
        "OccurringPart": lambda: get("MatrixCompletion").occurring(),
        "FixedRank": lambda: manifold,
        "FixedRankPoint": lambda: point,
        "FixedRankTangentVector": lambda: vector,
        "FactorDirections": lambda: manifold.embedding(point, vector),
        "DepthMetric": lambda: DepthMetric(3),
        "ImbalancedMetric": lambda: fixedrank.ImbalancedMetric([0.5] * 200),
        "Imbalances": lambda: fixedrank.imbalance(factors),
        "NetworkOperator": lambda: fixedrank.NetworkOperator(factors),
        "SpectralMetric": lambda: manifold.metric,
        "DepthOperator": lambda: manifold.operator(point),
        "MatrixSum": lambda: fixedrank.MatrixSum(X[:, :D], point, (X[:, :3], Y[:, :3])),
        "Product": lambda: fixedrank.Product([manifold, pymanopt.manifolds.Euclidean(D, D)]),
        "NetworkHessian": lambda: fixedrank.NetworkHessian(get("LinearRegression"), factors),
        "ExactStartLineSearcher": lambda: fixedrank.ExactStartLineSearcher(get("MatrixCompletion")),
        "Recovery": lambda: fixedrank.Recovery(
            point, np.ones(TIMES), 1.0, True, "solved " * 99, np.arange(D), np.arange(D)
        ),
        "RiemannianTrajectory": lambda: RiemannianTrajectory(
            **of_flow(point, point), metric=DepthMetric(2.5), rank_changes=changes
        ),
        "FactoredTrajectory": lambda: FactoredTrajectory(**of_flow(factors, point)),
        "RiemannianTrajectories": lambda: fixedrank.RiemannianTrajectories(
            t=np.arange(TIMES), runs=(get("RiemannianTrajectory"),) * 3
        ),
        "FactoredTrajectories": lambda: fixedrank.FactoredTrajectories(
            t=np.arange(TIMES), runs=(get("FactoredTrajectory"),) * 3
        ),
        "DescentTrajectory": lambda: DescentTrajectory(
            iterations=np.arange(TIMES),
            step_size=0.1,
            loss=np.ones(TIMES),
            gradient_norm=np.ones(TIMES),
            factors=[factors] * TIMES,
            status="took steps",
            complete=True,
        ),
        "AlignedDescent": lambda: fixedrank.AlignedDescent(
            iterations=np.arange(TIMES),
            sigma=np.ones((TIMES, K)),
            loss=np.ones(TIMES),
            u=point.u,
            vt=point.vt,
            depth=3,
            step_size=0.1,
            weight_decay=0.0,
            momentum=0.0,
            status="took steps",
            complete=True,
        ),
        "GreedyStage": lambda: fixedrank.GreedyStage(
            point=point,
            loss=1.0,
            rank=K,
            depth=3.0,
            escape_rates=np.ones(D),
            direction=(np.ones(D), np.ones(D)),
            orbit=get("RiemannianTrajectory"),
            theta=0.1,
        ),
        "GreedyPath": lambda: fixedrank.GreedyPath(
            stages=(get("GreedyStage"),) * TIMES, depth=3.0, status="ended at rank 40 " * K
        ),
        "FlowComparison": lambda: FlowComparison(
            factored=get("FactoredTrajectory"),
            riemannian=get("RiemannianTrajectory"),
            depth=102,
            imbalance=0.0,
            tolerance=1e-6,
            absolute_tolerance=None,
        ),
        "RankChange": lambda: changes[0],
        "RK4": lambda: fixedrank.RK4(lambda t, y: -y, 0.0, np.ones(D * D), 1.0, step=0.1),
        "RKC": lambda: fixedrank.RKC(lambda t, y: -y, 0.0, np.ones(D * D), 1.0),
        "ROCK4": lambda: fixedrank.ROCK4(lambda t, y: -y, 0.0, np.ones(D * D), 1.0),
        "AutoSwitching": lambda: fixedrank.AutoSwitching(lambda t, y: -y, 0.0, np.ones(D * D), 1.0),
        "MethodProperties": lambda: fixedrank.RK4.properties,
        "Experiment": lambda: Experiment(get("LinearRegression"), [D] * 100, lambda w, rng: []),
        "RunRecord": lambda: record(0),
        "Ensemble": lambda: Ensemble(get("Experiment"), tuple(map(record, range(RUNS)))),
        "CriticalPoint": critical,
        "PointClassification": lambda: PointClassification(
            "strict saddle", K, critical(), 1.0, 1.0, 1.0, 1.0, 1.0, "a verdict of words " * 50
        ),
        "DualCertificate": lambda: fixedrank.DualCertificate(
            "strict saddle", K, 1.0, 0.5, 1.0, 1.0, 1.0, (X[0], X[1]), "a verdict of words " * 50
        ),
        "RateCertificate": lambda: fixedrank.certify(get("LinearRegression"), point, 3),
        "FactorsClassification": lambda: FactorsClassification(
            "strict saddle", K, tuple(range(K)), 1, 1, 1, 1, factors, -1.0, 1, 1, "words " * 99
        ),
        "Hypotheses": lambda: fixedrank.check_hypotheses(get("LinearRegression"), point, 3),
        "Theorem": lambda: get("Hypotheses").theorems[0],
        "GeodesicNotFoundError": lambda: fixedrank.GeodesicNotFoundError("none"),
        "RankLostError": lambda: fixedrank.RankLostError("lost", np.ones(D), 1e-9),
        "LBFGS": optimizers.LBFGS,
        "CheckReport": lambda: testing.check_retraction(FixedRank(9, 8, 3, depth=2), rng=0),
        "Watched": lambda: optimizers.watch(
            get("MatrixCompletion").to_pymanopt(manifold), lambda *args: None
        ),
    }
    get.names = set(makers)
    return get


def names_of_classes():
    kinds = {name: getattr(fixedrank, name) for name in fixedrank.__all__}
    # A protocol has no instances of its own.
    classes = (name for name, kind in kinds.items() if isinstance(kind, type))
    return [name for name in classes if name not in ("AmbientLike", "LossLike")]


OTHERS = ["LBFGS", "CheckReport", "Watched"]
SIZES = {
    "LinearRegression": "300x300",
    "MomentRegression": "300x300",
    "MatrixCompletion": "300x300",
    "MatrixSensing": "300x300",
    "Loss": "300x300",
    "OccurringPart": "300 of 300 rows",
    "FixedRank": "300, 300, 40",
    "FixedRankPoint": "(40, 300)",
    "FixedRankTangentVector": "(300, 40)",
    "FactorDirections": "(40, 300)",
    "DepthOperator": "300x300",
    "MatrixSum": "300x300",
    "Product": "300, 300, 40",
    "NetworkHessian": "184000x184000",
    "ImbalancedMetric": "200 in all",
    "Imbalances": "102 layers",
    "NetworkOperator": "300 x 300",
    "Recovery": "300x300 matrix of rank 40",
    "RiemannianTrajectory": "2000",
    "FactoredTrajectory": "N = 102",
    "RiemannianTrajectories": "3 starts",
    "FactoredTrajectories": "3 starts, N = 102",
    "DescentTrajectory": "2000",
    "AlignedDescent": "300x300 matrices of rank 40",
    "GreedyStage": "300x300",
    "GreedyPath": "2000 stages, 300x300",
    "FlowComparison": "2000",
    "RK4": "90000",
    "Experiment": "300",
    "Ensemble": "1000",
    "PointClassification": "300x300",
    "CriticalPoint": "300x300",
    "DualCertificate": "rank 40",
    "SchattenDecay": "depth 3",
    "FactorsClassification": "rank 40",
    "Hypotheses": "k = 40",
}


@pytest.mark.parametrize("name", [*names_of_classes(), *OTHERS])
def test_a_few_lines_with_sizes_and_no_address(made, name):
    assert name in made.names, f"make an instance of {name} here, of large sizes"
    thing = made(name)
    tracemalloc.start()
    text = repr(thing)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) < 1000
    assert len(text.splitlines()) < 12
    assert " at 0x" not in text
    assert SIZES.get(name, "") in text
    # An m x n array takes 720 kB.
    assert peak < 8 * D * D / 2


def test_what_costs_more_than_a_look_is_not_computed(made):
    comparison = made("FlowComparison")
    assert "ask .verdict" in repr(comparison)
    assert "gap" not in vars(comparison)
    known = dataclasses.replace(comparison)
    vars(known)["gap"] = np.zeros(TIMES)
    assert "unbalanced" in repr(known) or "The two flows are one" in repr(known)


class Tags(html.parser.HTMLParser):
    """Collects the tags, which must close in the order in which they open, and the text."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(thing):
    tags = Tags()
    tags.feed(thing._repr_html_())
    tags.close()
    assert not tags.open
    return tags


IN_NOTEBOOKS = [
    "GreedyPath",
    "RiemannianTrajectory",
    "FactoredTrajectory",
    "RiemannianTrajectories",
    "FactoredTrajectories",
    "DescentTrajectory",
    "FlowComparison",
    "Ensemble",
    "Experiment",
    "PointClassification",
    "FactorsClassification",
    "CriticalPoint",
    "Hypotheses",
    "LinearRegression",
    "MatrixCompletion",
    "Recovery",
    "Loss",
    "CheckReport",
]


@pytest.mark.parametrize("name", IN_NOTEBOOKS)
def test_notebooks_show_a_small_table(made, name):
    tags = parsed(made(name))
    assert {"table", "tr", "td"} <= {tag for tag, _ in tags.seen}
    # A page that is dark stays so.
    assert all("color" not in value for _, attrs in tags.seen for value in attrs.values())
    assert len(tags.seen) < 120
    assert type(made(name)).__name__ in tags.text


def test_what_is_shown_is_escaped(made):
    experiment = made("Experiment")
    status = "<script>alert('&')</script>"
    records = [dataclasses.replace(made("RiemannianTrajectory"), status=status)]
    tags = parsed(records[0])
    assert "script" not in {tag for tag, _ in tags.seen}
    assert status in tags.text
    bad = made("RunRecord")._replace(limit="<b>")
    assert "<b>" not in Ensemble(experiment, (bad,))._repr_html_()


def test_the_theorems_are_told_in_full(made):
    report = made("Hypotheses")
    text = parsed(report).text
    assert all(theorem.statement in text for theorem in report.theorems)


def test_first_and_last_values(made):
    flow = made("RiemannianTrajectory")
    lines = repr(flow).splitlines()
    assert lines[0].startswith("<RiemannianTrajectory: 300x300 matrices of rank 40, 40 at the end")
    assert lines[0].endswith("depth 2.5")
    assert f"loss             {flow.loss[0]:.4g} to {flow.loss[-1]:.4g}" in repr(flow)
    assert "times            2000, t = 0 to 5" in repr(flow)


def test_small_points_are_shown_whole():
    point = FixedRankPoint(np.eye(2)[:, :1], np.array([2.0]), np.eye(2)[:1])
    text = repr(point)
    assert text.startswith("FixedRankPoint(u=array([[1.],")
    assert eval(text, {"FixedRankPoint": FixedRankPoint, "array": np.array}).s == point.s


@pytest.mark.parametrize("parts", [(None, 1, "x"), ([1.0], 2, [3.0]), (np.ones(99), 1, 2)])
def test_points_of_anything_can_be_shown(parts):
    assert repr(FixedRankPoint(*parts)).startswith("FixedRankPoint(u=")


def test_losses_of_ones_own():
    class LogCosh(fixedrank.Loss):
        def loss(self, W):
            return 0.0

        def gradient(self, W):
            return np.zeros((2, 2))

    loss = LogCosh()
    assert repr(loss) == "<LogCosh: loss of matrices>"
    loss.shape = (2, 3)
    assert repr(loss) == "<LogCosh: loss of 2x3 matrices>"
    assert "0.1 LogCosh" in repr(loss + 0.1 * loss)


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), ([1.0], "1"), ([1.0, 2.0], "1 to 2"), ([math.nan, 1e-150], "nan to 1e-150")],
)
def test_values_from_first_to_last(values, text):
    assert _shown.from_to(np.array(values)) == text
