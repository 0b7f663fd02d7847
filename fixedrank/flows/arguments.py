"""What both flows, their comparison and gradient descent say of their arguments."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TypeAlias

from scipy.integrate import OdeSolver

MethodLike: TypeAlias = str | type[OdeSolver]


def refuse(names: Container[str], reasons: Mapping[str, str], what: str) -> None:
    """Raise a TypeError if one of these names is that of an argument of single flows.

    Parameters
    ----------
    names : container of str
        The names that were given.
    reasons : dict
        The names of what is refused, each with the reason.
    what : str
        Who refuses it.
    """
    for name, why in reasons.items():
        if name in names:
            raise TypeError(
                f"{name} is for the flows one by one, factored_flow and riemannian_flow: {what} "
                f"{why}"
            )


FLOWS = """
Parameters
----------
problem : Loss or any object with ``loss(W)`` and ``gradient(W)``
    The problem. ``W`` comes as a tuple (u, s, vt), whose trailing singular values may be zero; the
    gradient may be an array, a SciPy sparse array, a low-rank pair or a LinearOperator, of which
    only thin products are formed.
t : array_like, shape (times,)
    The output times, increasing; the flow starts at the first one.
weight_decay : float
    The rate lambda >= 0 of weight decay, -lambda W_j in the velocity of each layer, per unit of t;
    the product of N balanced layers gets -N lambda W. It is the flow of the loss plus lambda / 2
    times the sum of all ``|W_j|^2``. Whatever the start, W_{j+1}^T W_{j+1} - W_j W_j^T decays as
    exp(-2 lambda t).
clock : {"time", "loss"}
    What `t` asks for: times; or values of the clock tau of the loss, in which L - L_inf falls as
    exp(-tau) from where the flow starts. The matrices are the same, at another pace: where a loss
    has no minimum, and the time to a loss of 1e-100 is about 1e100, tau is 230. The trajectory has
    tau as its ``clock``, and as its ``t`` the time since the start. Where W grows without end and
    its margin is small the flow is stiff in tau: "Radau" suits small W then. Not with weight decay.
infimum : float, optional
    With the clock of the loss, L_inf: the infimum of the loss or a number below. By default the
    loss's own. A flow that comes to rest above it ends there, with a status that says so, and that
    place is the last one.
method : str or OdeSolver class
    "auto" (:class:`AutoSwitching`): DOP853, and ROCK4 or RKC where the flow is stiff; "ROCK4"
    (:class:`ROCK4`), "RKC" (:class:`RKC`), for long times at errors of 1e-3 or more;
    "RK4" (:class:`RK4`), which takes ``step=h``; "DOP853", "RK45", "RK23", "Radau", "BDF",
    "LSODA" of SciPy. A class of your own may state its :class:`MethodProperties`.
progress : bool or "lines"
    Whether to show a bar over t with the loss (needs tqdm); "lines" writes a line to standard
    error every ten seconds. Of many starts it is over these.
callback : callable, optional
    Called after each accepted step as ``callback(t, where, loss)``, where the flow is: the layers,
    in a list, or the point, copies that are the caller's. If it returns True the run ends there:
    the status says so, that time is the last one in ``t``, and ``last`` is what the flow can go on
    from. Its errors are raised as they are. Each call costs an evaluation of the loss.
store : path-like, optional
    A file that the run is written to, whole or not at all: now and then, and where it ends, also by
    Ctrl-C, a callback or an error. The same call goes on from there, however it ended, or returns
    at once what is finished; with more times after the last one, it goes on to these. To the last
    bit it is the same run with "auto", ROCK4, RKC, RK4, RK23, RK45 and DOP853, if its end and the
    machine are the same; other methods begin anew at the state, and agree to the tolerance.
executor : concurrent.futures.Executor, optional
    Where many starts are shared out, in batches; the results do not depend on its workers.
**options
    Further options of the method, such as ``first_step``, ``max_step`` or ``step``.
"""
