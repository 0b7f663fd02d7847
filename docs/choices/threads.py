r"""
Threads of two libraries
========================

**You learn** why small calls into linear algebra can keep all cores busy, and which
calls fixedrank therefore avoids.

**You need** to know what a thread is; to run it, matplotlib.

NumPy's and SciPy's wheels each bring a copy of OpenBLAS, and each copy starts as many
threads as the machine has cores. A thread that a call has woken does not go back to
sleep at once: it spins for some milliseconds, in case there is more to do. Where a
program alternates between the two, the threads of one copy spin on the cores that those
of the other need.

The number of threads is read when a library is loaded, so everything here is measured
in processes of its own.
"""

import json
import os
import subprocess
import sys

import matplotlib.pyplot as plt

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measured(script, threads=None):
    """Run a script with a number of threads, or none set, and return what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if name not in VARIABLES
    }
    if threads is not None:
        environment.update(dict.fromkeys(VARIABLES, str(threads)))
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


# %%
# Which calls wake threads? On Linux ``/proc`` tells how long each thread of a process
# has run. SciPy's are those that appear when ``scipy.linalg`` is imported after NumPy.
# After each call the script waits until they sleep again.

AFTER_ONE_CALL = """
import json, os, time
TASKS = "/proc/self/task"
tasks = lambda: set(os.listdir(TASKS)) if os.path.exists(TASKS) else set()
import numpy as np
known = tasks()
from scipy.linalg import blas, lapack
threads = tasks() - known

def ran():
    stats = [open(f"{TASKS}/{thread}/schedstat").read() for thread in threads]
    times = [stat.split()[0] for stat in stats]
    return sum(map(int, times)) / 1e6

def quiet():
    before, now = -1.0, ran()
    while before != now:
        time.sleep(0.03)
        before, now = now, ran()
    return now

def milliseconds(function):
    before = quiet()
    function()
    return quiet() - before

rng = np.random.default_rng(0)
small = np.asfortranarray(np.triu(rng.standard_normal((40, 40))) + 10 * np.eye(40))
thin = np.asfortranarray(small[:, :20])
tall = rng.standard_normal((2000, 20))
piece = tall[:600]
core = small[:20, :20]
calls = {
    "dgemm, 600 x 20": lambda: blas.dgemm(1.0, core, piece.T),
    "dpotrf, 40 x 40": lambda: lapack.dpotrf(small @ small.T),
    "dtrtri, 40 x 40": lambda: lapack.dtrtri(small),
    "dtrsm, 40 x 40": lambda: blas.dtrsm(1.0, small, thin),
    "dgesvd, 40 x 40": lambda: lapack.dgesvd(small),
    "dgesdd, 40 x 40": lambda: lapack.dgesdd(small),
    "dtrtrs, 40 x 40": lambda: lapack.dtrtrs(small, thin),
    "dtrtrs, 4 x 4": lambda: lapack.dtrtrs(small[:4, :4], thin[:4, :2]),
    "dgemm, 2000 x 20": lambda: blas.dgemm(1.0, core, tall.T),
}
found = {name: milliseconds(call) for name, call in calls.items()} if threads else {}
print(json.dumps(found))
"""

awake = measured(AFTER_ONE_CALL)
if not awake:
    print("SciPy has no threads here beside the one that calls it")
for name, taken in awake.items():
    print(f"{name:17} SciPy's threads ran for {taken:4.1f} ms")

# %%
# A call of a few microseconds can keep the other cores busy for milliseconds. Size
# alone does not tell: ``dtrtrs`` wakes the threads for a triangle of four rows, and
# ``dtrsm``, which solves the same equations, lets them sleep until there are 1024
# numbers on the right.
#
# A retraction multiplies tall blocks by thin matrices, which is worth several threads
# if they are very tall, and between these products it factors small ones. So fixedrank
# gives NumPy all that is large, as the costs of users do, and SciPy only what its copy
# of OpenBLAS does in the thread that calls it: some routines up to some size, and
# products that are added in place in pieces. NumPy gets pieces as well up to two
# million multiplications, which are done before its threads have woken. All of that is
# in one module.
#
# For comparison the second process takes the obvious way: the products to add in one
# call each, and ``dtrtrs`` for the triangles.

RETRACTIONS = """
import json, sys, time
import numpy as np
from scipy.linalg import blas, lapack
import fixedrank
from fixedrank import _linear_algebra

def whole_product(sign, result, tall, thin):
    blas.dgemm(sign, thin.T, tall.T, 1.0, result.T, overwrite_c=1)

if ALTERNATING:
    _linear_algebra.add_product = whole_product
    _linear_algebra.triangular_solve = lambda *parts: lapack.dtrtrs(*parts)[0]

found = []
for m in SIZES:
    manifold = fixedrank.FixedRank(m, m, 20, depth=3)
    point = manifold.random_point(rng=0)
    Z = 0.1 * manifold.random_tangent_vector(point, rng=1)
    times = []
    while sum(times) < 0.2 or len(times) < 3:
        began = time.perf_counter()
        manifold.retraction(point, Z)
        times.append(time.perf_counter() - began)
    found.append(1e3 * float(np.median(times)))
print(json.dumps(found))
"""
SIZES = [500, 1000, 2000, 4000, 8000]
SETTINGS = {
    "alternating, no variable set": (True, None, "#b5332e", "s", "-"),
    "alternating, one thread": (True, 1, "#b5332e", "s", ":"),
    "fixedrank, no variable set": (False, None, "#0b3c5d", "o", "-"),
    "fixedrank, one thread": (False, 1, "#0b3c5d", "o", ":"),
}
times = {
    name: measured(
        f"ALTERNATING, SIZES = {alternating}, {SIZES}\n{RETRACTIONS}", threads
    )
    for name, (alternating, threads, *_) in SETTINGS.items()
}
for name, found in times.items():
    print(
        f"{name:30}"
        + ", ".join(
            f"m = {m}: {taken:.2g} ms" for m, taken in zip(SIZES, found, strict=True)
        )
    )

# %%
# Where the lines with the squares part, the threads fight; on a machine with one core
# there is nothing to fight about. A setting such as ``OPENBLAS_NUM_THREADS=1`` helps a
# program that alternates, but takes the threads from the products that are worth them.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
names = list(awake)
left.barh(
    names,
    [max(awake[name], 0.01) for name in names],
    color="#6b8e23",
    hatch="//",
    ec="w",
)
left.set(
    xscale="symlog",
    xlabel="milliseconds",
    ylabel="routine of SciPy, size",
    title="Time that SciPy's threads run after one call",
)
left.invert_yaxis()
for name, (_, _, color, marker, style) in SETTINGS.items():
    right.loglog(
        SIZES, times[name], style, marker=marker, ms=5, color=color, label=name
    )
right.set(
    xlabel="rows and columns $m = n$",
    ylabel="median time in milliseconds",
    title="One retraction, $k = 20$",
)
right.set_xticks(SIZES, [f"{size}" for size in SIZES])
right.minorticks_off()
right.legend(frameon=False, fontsize="small")
figure.suptitle(
    "Small calls wake threads that spin; fixedrank makes only those that do not"
)
plt.show()
