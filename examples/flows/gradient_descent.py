r"""
Gradient descent beside the flow
================================

**You learn** how far gradient descent is from the flow, and with which step size the
loss is sure to fall.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Gradient descent on the layers is Euler's method for the gradient flow of the layers,
equation (5) of the paper: with step :math:`\eta` its iterate :math:`i` stands beside
the flow at time :math:`\eta i`, at a distance of the order of :math:`\eta`.
``safe_step_size`` is a step with which the loss falls each time, from a bound on the
Hessian. The bound must hold wherever the iteration may go: for deep networks that start
far from balanced it is very cautious.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 30)) / np.sqrt(30)
Y = rng.standard_normal((4, 6)) @ X
problem = fixedrank.LinearRegression(X, Y)

# %%
# On the left, from Gaussian layers, the distance from the flow at :math:`t = 3` for
# five step sizes; on the right, from balanced layers, the loss along 10,000 steps of
# the safe size.

end = 3.0
steps = np.array([100, 200, 400, 800, 1600])
figure, (gaps, losses) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for depth in (2, 3, 5):
    start = fixedrank.gaussian_factors([6, *[5] * (depth - 1), 4], rng=1)
    flow = fixedrank.factored_flow(problem, start, [0, end], rtol=1e-11, atol=1e-13)
    distance = []
    for count in steps.tolist():
        descent = fixedrank.gradient_descent(
            problem, start, [count], step_size=end / count
        )
        distance.append(np.linalg.norm(descent.product[-1] - flow.product[-1]))
    style = depth_style(depth)
    gaps.loglog(end / steps, distance, **style, label=f"$N = {depth}$")

    balanced = fixedrank.random_balanced_factors([6, *[5] * (depth - 1), 4], rng=1)
    safe = fixedrank.safe_step_size(problem, balanced)
    descent = fixedrank.gradient_descent(problem, balanced, 10_000)
    style |= {"markevery": 0.2, "label": f"$N = {depth}$: {safe:.2g}"}
    losses.loglog(descent.iterations + 1, descent.loss, **style)
    print(
        f"N = {depth}: safe step {safe:.2e} from balanced layers, "
        f"{fixedrank.safe_step_size(problem, start):.2e} from Gaussian ones; "
        "the loss never rises: "
        f"{bool((np.diff(descent.loss) <= 1e-15).all())}; {descent.status}"
    )
gaps.loglog(end / steps, 0.3 * end / steps, "k:", label=r"order of $\eta$")
gaps.set(
    xlabel=r"step size $\eta$",
    ylabel=rf"$\|W_{{\eta}} - W(t)\|_F$ at $t = {end:g}$",
    title="Distance of gradient descent from the flow",
    xlim=(9e-4, 4e-2),
)
gaps.legend(frameon=False)
losses.set(xlabel="iteration + 1", ylabel="loss $L^N$", title="With the safe step size")
losses.legend(frameon=False, title=r"step size $\eta$")
figure.suptitle(
    "The distance to the flow falls like the step size; with safe steps the loss falls"
)
plt.show()

# %%
# Left: half the step, half the distance. The lines are as steep as the dotted one; only
# the largest step is too long at depth 5. Right: the safe step shrinks with the depth,
# and 10,000 steps cover less time. From Gaussian layers it shrinks much faster, to 2e-7
# at depth 5: longer steps may do as well, but nothing is proved of them.
