"""Saddles of three layers that are not strict, and how flows leave them.

python docs/results/tightened_saddles.py

It writes tightened_saddles.json beside itself, item by item, and goes on with what is not yet in
it. Delete it to make all anew. The saddles have rank h - 1, white data and generic imbalances;
docs/mathematics/conjecture.md has the notation: x, z, y are the parts of W_3, W_2, W_1 beside the
product, m is the inertia of z, and r^2 = |x|^2 + m z^2 + |y|^2.
"""

import json
import time
from pathlib import Path

import numpy as np
from scipy.special import elliprf

import fixedrank
from fixedrank.losses.hessian import NetworkHessian

STORE = Path(__file__).with_suffix(".json")
WIDTHS = [(2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (4, 4)]


def tightened(h, d, seed, largest=1.8):
    """Return the data, layers of widths d, h, h, d that are a tightened saddle, and its frames."""
    rng, rho = np.random.default_rng(seed), h - 1
    values = np.linspace(2.0, 1.0, d)
    for _ in range(100_000):
        u, v = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
        first, left = rng.standard_normal((2, h, rho))
        right, last = rng.standard_normal((2, rho, h))
        core = np.linalg.solve(last @ left, np.diag(values[:rho])) @ np.linalg.inv(right @ first)
        layers = [first @ v[:, :rho].T, left @ core @ right, u[:, :rho] @ last]
        if max(np.linalg.norm(layer, 2) for layer in layers) < largest:
            # The directions of x, z, y: W_3 moves by U_beside x q^T, W_2 by z q w^T, W_1 by w y^T.
            q, w = np.linalg.svd(layers[1].T)[2][-1], np.linalg.svd(layers[1])[2][-1]
            return (u * values) @ v.T, layers, (u[:, rho:], q, w, v[:, rho:]), values
    raise RuntimeError("no saddle with such small layers was found")


def flat(layers):
    return np.concatenate([layer.ravel() for layer in layers])


def cubic(layers, target, step):
    """Return the coefficient of t^3 in the loss of layers + t step, a polynomial."""
    (a, b, c), (p, q, r) = layers, step
    one = r @ b @ a + c @ q @ a + c @ b @ p
    two = r @ q @ a + r @ b @ p + c @ q @ p
    return float(np.vdot(c @ b @ a - target, r @ q @ p) + np.vdot(one, two))


def kernel_of(layers, target):
    """Return the rates of the Hessian and the vectors of its kernel, in columns."""
    problem = fixedrank.LinearRegression(np.eye(target.shape[1]), target)
    hessian = NetworkHessian(problem, layers)
    matrix = hessian @ np.eye(hessian.shape[0])
    rates, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return rates, vectors[:, abs(rates) < 1e-9 * rates[-1]]


def covector(layers, target, q, w):
    """Return z as a linear function on the kernel, a vector in it; its squared length is 1/m."""
    _, kernel = kernel_of(layers, target)
    step = [0 * layers[0], np.outer(q, w), 0 * layers[2]]
    return kernel @ (flat(step) @ kernel)


def outer_directions(u, q, w, v, h):
    """Return the displacements dual to the entries of x and y."""
    zero = np.zeros((h, h))
    for i in range(u.shape[1]):
        yield flat([np.zeros((h, len(v))), zero, np.outer(u[:, i], q)])
        yield flat([np.outer(w, v[:, i]), zero, np.zeros((len(u), h))])


def imbalance_rank(layers, vectors):
    """Return the rank of the differential of all D_j on the span of some displacements."""
    splits, columns = np.cumsum([layer.size for layer in layers])[:-1], []
    for vector in vectors.T:
        step = [
            part.reshape(layer.shape)
            for part, layer in zip(np.split(vector, splits), layers, strict=True)
        ]
        changes = [
            step[j + 1].T @ layers[j + 1] - layers[j] @ step[j].T for j in range(len(layers) - 1)
        ]
        columns.append(flat([change + change.T for change in changes]))
    return int(np.linalg.matrix_rank(np.array(columns), tol=1e-9))


def saddle(h, d, seed):
    """What the point is, and its loss to third order against -z x^T S y."""
    target, layers, (u, q, w, v), values = tightened(h, d, seed, 1.8 if h < 4 else 4.0)
    problem = fixedrank.LinearRegression(np.eye(d), target)
    found = fixedrank.classify_factors(problem, layers, rtol=1e-9)
    rates, kernel = kernel_of(layers, target)
    beyond = np.stack([covector(layers, target, q, w), *outer_directions(u, q, w, v, h)], axis=1)
    tangent = np.linalg.svd(kernel - beyond @ np.linalg.pinv(beyond) @ kernel)[0]
    tangent = tangent[:, : kernel.shape[1] - beyond.shape[1]]
    errors, rng = [], np.random.default_rng(seed)
    splits = np.cumsum([layer.size for layer in layers])[:-1]
    for _ in range(20):
        parts = np.split(kernel @ rng.standard_normal(kernel.shape[1]), splits)
        step = [part.reshape(layer.shape) for part, layer in zip(parts, layers, strict=True)]
        x, z, y = u.T @ step[2] @ q, q @ step[1] @ w, w @ step[0] @ v
        predicted = -z * (x * values[h - 1 :]) @ y
        errors.append(abs(cubic(layers, target, step) - predicted))
    signs = [
        [int((np.linalg.eigvalsh(part) > 0).sum()), int((np.linalg.eigvalsh(part) < 0).sum())]
        for part in fixedrank.imbalance(layers)
    ]
    return {
        "kind": found.kind,
        "gradient": found.gradient_norm,
        "least over largest rate": float(rates[0] / rates[-1]),
        "kernel": kernel.shape[1],
        "predicted kernel": 2 * h * h - 2 + 2 * (d - h + 1) + 1,
        "error of the cubic form": float(max(errors)),
        "inertia m": float(1 / (covector(layers, target, q, w) ** 2).sum()),
        "signs of D": signs,
        "tightened points, invariants": [tangent.shape[1], h * (h + 1)],
        "rank of the invariants on them": imbalance_rank(layers, tangent),
    }


def transposed(a):
    return np.swapaxes(a, -1, -2)


def slopes(layers, target):
    """Return minus the gradient of many networks, and what their products miss."""
    before = [np.eye(layers[0].shape[-1])]
    for layer in layers:
        before.append(layer @ before[-1])
    back = rest = before.pop() - target
    found = []
    for layer, inner in zip(reversed(layers), reversed(before), strict=True):
        found.append(-back @ transposed(inner))
        back = transposed(layer) @ back
    return found[::-1], rest


def beside(layers, u, v, m):
    """Return r, zero on tightened saddles only: u and v are the frames that the data give."""
    outer = (u.T @ layers[2], layers[0] @ v)
    inner = np.linalg.svd(layers[1], compute_uv=False)[:, -1]
    return np.sqrt(m * inner**2 + sum((part**2).sum(axis=(1, 2)) for part in outer))


def flows(layers, target, values, h, rank, radius, end):
    """Follow networks by RK4 until their losses are below the second least critical value.

    Returned are, for each, the time at which its loss has come half the way from the saddle to the
    minimum, the least r on the way, and whether it was decided by `end`.
    """
    count, least = len(layers[0]), (values[h:] ** 2).sum() / 2
    gap = (values[rank:h] ** 2).sum() / 2
    following = (values[h - 1] ** 2 - np.append(values, 0.0)[h] ** 2) / 2
    half, decided = np.full(count, np.nan), np.zeros(count, dtype=bool)
    nearest, at = radius(layers), np.arange(count)
    t, n = 0.0, 0
    while at.size and t < end:
        if n % 25 == 0:
            nearest[at] = np.minimum(nearest[at], radius(layers))
            # The largest rate of the Hessian is about N |W_j|^(2N - 2); RK4 is stable to 2.7.
            size, depth = max(np.linalg.norm(w, 2, axis=(1, 2)).max() for w in layers), len(layers)
            step = 2.0 / (depth * size ** (2 * depth - 2) + 1)
        k1, rest = slopes(layers, target)
        loss = (rest**2).sum(axis=(1, 2)) / 2 - least
        half[at[np.isnan(half[at]) & (loss < gap / 2)]] = t
        done = loss < min(following, gap / 2) * 0.99
        if done.any():
            decided[at[done]] = True
            layers, k1, at = [w[~done] for w in layers], [k[~done] for k in k1], at[~done]
        k2, _ = slopes([w + step / 2 * k for w, k in zip(layers, k1, strict=True)], target)
        k3, _ = slopes([w + step / 2 * k for w, k in zip(layers, k2, strict=True)], target)
        k4, _ = slopes([w + step * k for w, k in zip(layers, k3, strict=True)], target)
        layers = [
            w + step / 6 * (a + 2 * b + 2 * c + d)
            for w, a, b, c, d in zip(layers, k1, k2, k3, k4, strict=True)
        ]
        t, n = t + step, n + 1
    return half, nearest, decided


def blow_up(parts, rate):
    """Return when the solution of b_i' = rate b_j b_k from b = parts becomes infinite."""
    order = np.argsort(parts**2, axis=-1)
    least, middle, largest = np.take_along_axis(parts, order, -1).T
    # The least moves by rate sqrt((a + least^2)(b + least^2)), towards the sign of the others.
    least, a, b = least * np.sign(middle * largest), middle**2 - least**2, largest**2 - least**2
    tail = elliprf(least**2, least**2 + a, least**2 + b)
    return np.where(least >= 0, tail, 2 * elliprf(0 * a, a, b) - tail) / rate


def measured(start, layers, target, values, frame, end):
    """Follow networks and sum up how they leave, at h = d beside what the reduced flow predicts."""
    (u, q, w, v), h = frame, len(layers[1])
    dual = covector(layers, target, q, w)
    m = 1 / (dual**2).sum()
    away = np.concatenate(
        [(a - b).reshape(len(a), -1) for a, b in zip(start, layers, strict=True)], axis=1
    )
    z = np.sqrt(m) * (away @ dual + q @ layers[1] @ w)
    x, y = u.T @ start[2] @ q, w @ start[0] @ v
    before = np.sqrt((x**2).sum(axis=1) + z**2 + (y**2).sum(axis=1))
    half, nearest, decided = flows(
        start, target, values, h, h - 1, lambda networks: beside(networks, u, v, m), end
    )
    ratio = nearest / before
    found = {
        "copies": len(before),
        "decided": int(decided.sum()),
        "time": np.quantile(half, [0.1, 0.5, 0.9, 1.0]).tolist(),
        "least r": [float(ratio.min()), float(np.median(ratio))],
        "closer than 1/1.1, 1/1.5, 1/2, 1/3": [
            float((ratio < 1 / kappa).mean()) for kappa in (1.1, 1.5, 2, 3)
        ],
    }
    if values.size == h:
        predicted = blow_up(np.stack([x[:, 0], z, y[:, 0]], axis=-1), values[-1] / np.sqrt(m))
        found["time over blow-up"] = np.quantile(half / predicted, [0.1, 0.5, 0.9]).tolist()
    return found


def around(layers, epsilon, count, seed):
    rng = np.random.default_rng(seed)
    return [w + epsilon * rng.standard_normal((count, *w.shape)) for w in layers]


def random_starts(h, d, epsilon, count):
    target, layers, frame, values = tightened(h, d, 0)
    start = around(layers, epsilon, count, 1)
    return measured(start, layers, target, values, frame, 500 / epsilon)


def along_the_ray(epsilon):
    """Start on the rays along which the reduced flow returns to the saddle."""
    target, layers, frame, values = tightened(2, 2, 0)
    u, q, w, v = frame
    dual = covector(layers, target, q, w)
    ends = [
        flat([0 * layers[0], 0 * layers[1], np.outer(u, q)]),
        dual / np.linalg.norm(dual),
        flat([np.outer(w, v), 0 * layers[1], 0 * layers[2]]),
    ]
    signs = np.array([[1, 1, -1], [1, -1, 1], [-1, 1, 1], [-1, -1, -1]])
    away = np.split(epsilon * signs @ ends, [4, 8], axis=1)
    start = [w + part.reshape(4, 2, 2) for w, part in zip(layers, away, strict=True)]
    found = measured(start, layers, target, values, frame, 1000 / epsilon**1.5)
    # On the rays themselves the reduced flow never leaves.
    del found["time over blow-up"]
    return found


def definite(delta, epsilon, count):
    """Start near a saddle of rank 1 with D_1 = diag(., delta^2): for delta = 0 it is tightened."""
    values, gamma, beta, angle = np.array([2.0, 1.0]), 1.1, 1.5, 0.5
    p = np.array([np.cos(angle), np.sin(angle)])
    layers = [
        np.diag([gamma, 0.0]),
        np.diag([beta, 0.0]),
        np.outer([1.0, 0.0], p) * values[0] / (gamma * beta * p[0]),
    ]
    second = np.eye(2)[1]
    start = around(layers, epsilon, count, 2)
    start[1] += delta * np.outer(second, second)
    frame = second[:, None], second, second, second[:, None]
    return measured(start, layers, np.diag(values), values, frame, 500 / epsilon)


def others(widths, rank, zeros, epsilon, count):
    """Start near tightened saddles that no theorem covers: the layers `zeros` have the rank."""
    rng, depth, d = np.random.default_rng(3), len(widths) - 1, widths[0]
    values = np.linspace(2.0, 1.0, d)
    bases = [np.eye(d)]
    for width in widths[1:-1]:
        left, right = np.linalg.qr(rng.standard_normal((2, width, width)))[0]
        bases.append((left * rng.uniform(0.8, 1.25, width)) @ right)
    bases.append(np.eye(d))
    layers = []
    for j in range(1, depth + 1):
        block = rng.standard_normal((widths[j], widths[j - 1])) * (j not in zeros)
        block[:rank], block[:, :rank] = 0, 0
        block[:rank, :rank] = np.diag(values[:rank] ** (1 / depth))
        layers.append(bases[j] @ block @ np.linalg.inv(bases[j - 1]))
    target = np.diag(values)
    problem = fixedrank.LinearRegression(np.eye(d), target)
    start = around(layers, epsilon, count, 4)
    half, _, decided = flows(
        start, target, values, min(widths), rank, lambda networks: np.ones(len(networks[0])), 1e6
    )
    return {
        "kind": fixedrank.classify_factors(problem, layers).kind,
        "signs of D": [
            [int((np.linalg.eigvalsh(part) > 0).sum()), int((np.linalg.eigvalsh(part) < 0).sum())]
            for part in fixedrank.imbalance(layers)
        ],
        "copies": count,
        "decided": int(decided.sum()),
        "time": np.quantile(half, [0.1, 0.5, 0.9, 1.0]).tolist(),
    }


def returning():
    """Fractions of starts that come closer by a factor, by the invariants of the reduced flow.

    With b = (x, sqrt(m) z, y), r^2 is least as the least of |b_i| vanishes, if b_1 b_2 b_3 < 0.
    """
    b = np.random.default_rng(0).standard_normal((4_000_000, 3))
    b /= np.linalg.norm(b, axis=1)[:, None]
    square = np.where(b.prod(axis=1) < 0, 1 - 3 * (b**2).min(axis=1), 1.0)
    return {str(kappa): float((square < kappa**-2).mean()) for kappa in (1.1, 1.5, 2, 3, 4, 6, 8)}


def items():
    for h, d in WIDTHS:
        for seed in range(5):
            yield f"saddle h={h} d={d} seed={seed}", saddle, (h, d, seed)
    yield "returning", returning, ()
    for epsilon in (0.1, 0.05, 0.02, 0.01, 0.005):
        yield f"random h=2 d=2 epsilon={epsilon}", random_starts, (2, 2, epsilon, 400)
    yield "many random h=2 d=2 epsilon=0.02", random_starts, (2, 2, 0.02, 4000)
    for h, d in [(2, 3), (2, 4), (3, 3)]:
        for epsilon in (0.05, 0.02):
            yield f"random h={h} d={d} epsilon={epsilon}", random_starts, (h, d, epsilon, 200)
    for epsilon in (0.1, 0.05, 0.02, 0.01):
        yield f"ray epsilon={epsilon}", along_the_ray, (epsilon,)
    for delta in (0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0):
        yield f"definite delta={delta} epsilon=0.01", definite, (delta, 0.01, 200)

    for name, widths, rank, zeros, distances in (
        ("rank h - 2", [4] * 4, 2, {1, 2, 3}, (0.1, 0.05, 0.025)),
        ("five layers", [2] * 6, 1, {1, 3, 5}, (0.1, 0.05)),
        ("four layers", [2] * 5, 1, {1, 2, 3, 4}, (0.2, 0.1)),
    ):
        for epsilon in distances:
            yield f"{name} epsilon={epsilon}", others, (widths, rank, zeros, epsilon, 200)


def main():
    found = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    for name, function, arguments in items():
        if name not in found:
            before = time.process_time()
            found[name] = function(*arguments)
            found[name]["seconds"] = round(time.process_time() - before, 2)
            STORE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(name, found[name], flush=True)


if __name__ == "__main__":
    main()
