"""How much of the second singular value is learned with the first: 102,108 flows.

python docs/results/phase_diagram.py [--quick] [--render] [--out FOLDER]

Flow (9) of W, 2 x 2, to a matrix with the singular values 2 and 1, from a balanced start of one
size in all directions, for depths and sizes of a grid: by fixedrank.jax, in one compiled program.
It keeps phase_diagram.npz, with 1000 log10 of the share of the second one, and phase_diagram.json,
and makes phase_diagram.md and docs/_static/phase-diagram.png of them; --render does the latter
alone. --quick takes some hundred flows, and writes nothing but in FOLDER.
"""

import argparse
import json
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DEPTHS, SIZES = np.linspace(1, 6, 201), np.geomspace(1e-6, 0.5, 508)
TARGETS = (2.0, 1.0)
BATCH = 128
# Depths of which the slope at small sizes is told, between these sizes.
TOLD, SMALL = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0), (1e-6, 1e-4)


def shares(depths, sizes):
    """Return s_2 / sigma_2 where s_1 is half of sigma_1, and s_1 / sigma_1, by depth and size."""
    import jax
    import jax.numpy as jnp

    from fixedrank.jax import CorePoint, integrate, riemannian_field

    jax.config.update("jax_enable_x64", True)
    first, second = TARGETS
    left, right = (jnp.asarray(frame) for frame in frames())
    target = left @ jnp.diag(jnp.asarray(TARGETS)) @ right.T

    def loss(W):
        return jnp.sum((W - target) ** 2) / 2

    def run(case):
        depth, size = case
        flow = riemannian_field(loss, depth)

        def by_the_first(t, point, args):
            # In a time in which s_1' = s_1 (sigma_1 - s_1), whatever the depth.
            clock = depth * jnp.linalg.norm(point.core, 2) ** (1 - 2 / depth)
            return jax.tree.map(lambda part: part / clock, flow(t, point))

        end = jnp.log((first - size) / size) / first
        start = CorePoint(left, size * jnp.eye(2), right)
        states = integrate(by_the_first, start, jnp.array([0, end]), rtol=1e-7)
        values = jnp.linalg.svd(states.core[-1], compute_uv=False)
        return values[1] / second, values[0] / first

    grid = [jnp.asarray(part).ravel() for part in np.meshgrid(depths, sizes, indexing="ij")]
    found = jax.jit(lambda cases: jax.lax.map(run, cases, batch_size=BATCH))(grid)
    return [np.asarray(part).reshape(len(depths), len(sizes)) for part in found]


def frames():
    """Return the left and the right singular vectors of the target."""
    rng = np.random.default_rng(0)
    return [np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2)]


def slope(depths, sizes, logs, depth):
    """Return d ln share / d ln size at small sizes, of the depth of the grid nearest to one."""
    row = logs[np.abs(depths - depth).argmin()]
    few = (sizes >= SMALL[0]) & (sizes <= SMALL[1])
    return float(np.polyfit(np.log10(sizes[few]), row[few], 1)[0])


def measure(depths, sizes, folder):
    """Run all flows, and keep what comes out whole or not at all."""
    begun = time.perf_counter()
    share, of_first = shares(depths, sizes)
    logs = np.log10(share)
    record = {
        "date": date.today().isoformat(),
        "with": {
            "Python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "jax", "diffrax")},
        },
        "seconds": round(time.perf_counter() - begun),
        "runs": int(share.size),
        "depths": [float(depths[0]), float(depths[-1]), len(depths)],
        "sizes": [float(sizes[0]), float(sizes[-1]), len(sizes)],
        "largest error of s_1": float(f"{np.abs(of_first / 0.5 - 1).max():.1e}"),
        "slopes": {f"{depth:g}": round(slope(depths, sizes, logs, depth), 2) for depth in TOLD},
    }
    kept = folder / "phase_diagram.npz.new.npz"
    np.savez_compressed(kept, logs=np.round(1000 * logs).astype(np.int16))
    kept.replace(folder / "phase_diagram.npz")
    kept = folder / "phase_diagram.json.new"
    kept.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    kept.replace(folder / "phase_diagram.json")


def kept(folder):
    """Return the record, the depths, the sizes and the logarithms that were kept."""
    record = json.loads((folder / "phase_diagram.json").read_text(encoding="utf-8"))
    depths, sizes = np.linspace(*record["depths"]), np.geomspace(*record["sizes"])
    with np.load(folder / "phase_diagram.npz") as file:
        return record, depths, sizes, file["logs"] / 1000


def text(record):
    """Return the page of a record."""
    made = ", ".join(f"{name} {number}" for name, number in record["with"].items())
    rows = "\n".join(f"| {depth} | {value:.2f} |" for depth, value in record["slopes"].items())
    return (
        f"{record['runs']:,} flows in {record['seconds']} s on two CPU cores, on {record['date']} "
        f"with {made}. The first singular value is at half of its target to "
        f"{record['largest error of s_1']:.0e}.\n\n"
        "| depth N | slope of ln(share) in ln(size), from 1e-6 to 1e-4 |\n| --- | --- |\n"
        f"{rows}\n"
    )


def draw(depths, sizes, logs, path):
    """Draw the map."""
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    shown = left.pcolormesh(depths, sizes, logs.T, cmap="viridis", shading="nearest", vmin=-6)
    levels = [-5, -4, -3, -2, -1, -0.3]
    lines = left.contour(depths, sizes, logs.T, levels, colors="white", linewidths=0.9)
    left.clabel(lines, fmt=lambda level: f"{10**level:.2g}", fontsize=9)
    left.axvline(2, color="white", ls=":")
    left.set(
        yscale="log",
        title="Share of the second singular value",
        xlabel="depth $N$",
        ylabel=r"size $\varepsilon$ of the start",
    )
    figure.colorbar(shown, ax=left, label=r"$\log_{10}(\sigma_2(W) / \sigma_2)$")
    styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
    for depth, style in zip(TOLD, styles, strict=True):
        row = logs[np.abs(depths - depth).argmin()]
        right.loglog(sizes, 10**row, ls=style, label=f"$N = {depth:g}$")
    for power, color, label in ((1, "0.75", ""), (0.5, "0.55", "^{1/2}")):
        look = {"color": color, "lw": 5, "zorder": 0, "label": rf"$\propto \varepsilon{label}$"}
        right.loglog(sizes, 1.2 * sizes**power, **look)
    right.set(
        title="Some depths",
        xlabel=r"size $\varepsilon$ of the start",
        ylabel=r"$\sigma_2(W) / \sigma_2$ when $\sigma_1(W) = \sigma_1 / 2$",
        ylim=(1e-7, 2),
    )
    right.legend(frameon=False, fontsize=9)
    figure.suptitle("Beyond depth 2 a small start learns one singular value after the other")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def render(folder, pictures):
    """Make the page and the picture of what was kept."""
    record, depths, sizes, logs = kept(folder)
    (folder / "phase_diagram.md").write_text(text(record), encoding="utf-8")
    draw(depths, sizes, logs, pictures / "phase-diagram.png")


def main():
    """Measure and render as asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.quick and asked.out is None:
        parser.error("--quick writes to a folder of its own: give --out")
    folder = asked.out or HERE
    folder.mkdir(parents=True, exist_ok=True)
    if not asked.render:
        measure(DEPTHS[::20], SIZES[::39], folder) if asked.quick else measure(
            DEPTHS, SIZES, folder
        )
    render(folder, asked.out or HERE.parent / "_static")


if __name__ == "__main__":
    main()
