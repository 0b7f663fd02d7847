"""The manifold M_k with the depth-N metric g_W, for pymanopt."""

from __future__ import annotations

from fixedrank.geometry.manifold.motion import Motion


class FixedRank(Motion):
    r"""Real m x n matrices of rank k with the depth-N metric of deep linear networks.

    On the manifold M_k the metric is :math:`g_W(Z_1, Z_2) = \langle
    \mathcal{A}_{W,N}^{-1}(Z_1), Z_2 \rangle_F` (equation (8) and Theorem 3), where A_{W,N} is the
    operator (7). Its gradient flow (9) is what gradient flow (5) on the layers of a balanced
    linear network of depth N does to their product W. At N = 1 it is the embedded metric, that of
    :class:`pymanopt.manifolds.FixedRankEmbedded`, whose place this class can take in any code.

    Points are tuples ``(u, s, vt)`` with W = u diag(s) vt, tangent vectors are tuples
    ``(Up, M, Vp)`` with Z = u M vt + Up vt + u Vp^T, as in pymanopt. Every operation costs
    O((m + n) k^2 + k^3) and forms no m x n array.

    Parameters
    ----------
    m, n : int
        Numbers of rows and columns.
    k : int
        The rank, 1 <= k <= min(m, n).
    depth : float
        The depth N: any real number >= 1, or ``math.inf`` for the limit of N g, which exists for
        k = m = n only.
    metric : SpectralMetric
        In place of the depth, any other metric: one of depth N is ``DepthMetric(N)``.
    rng : numpy.random.Generator, int or None
        A generator, or the seed of one, for what is drawn without a generator of its own: by
        pymanopt, which asks for random starts, simplices and swarms by itself. Draws follow each
        other, so that the whole run repeats. None: fresh entropy for every draw. The global random
        state of NumPy is never used.

    Attributes
    ----------
    m, n, k : int
        Sizes and rank.
    metric : SpectralMetric
        The metric.
    depth : float or None
        The depth N, or None where the metric has none. The dimension (m + n - k) k is ``dim``.
    rng : numpy.random.Generator or None
        The generator for draws that name none.

    Raises
    ------
    TypeError, ValueError
        If sizes are not positive integers, k > min(m, n), N < 1, N is infinite where the metric
        does not exist, or depth and metric are both given. All methods raise ValueError where
        parts of a point or vector have wrong shapes, or NaN or infinite values come in.

    References
    ----------
    Theorem 3 and equation (8) of the paper; B. Vandereycken, Low-rank matrix completion by
    Riemannian optimization, SIAM J. Optim. 23 (2013), for the embedded geometry.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, pymanopt, fixedrank
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> manifold = fixedrank.FixedRank(3, 3, 2, depth=2)
    >>> @pymanopt.function.autograd(manifold)
    ... def cost(u, s, vt):
    ...     return 0.5 * anp.sum(((u * s) @ vt - A) ** 2)
    >>> solver = pymanopt.optimizers.ConjugateGradient(verbosity=0)
    >>> start = manifold.random_point(rng=0)
    >>> result = solver.run(pymanopt.Problem(manifold, cost), initial_point=start)
    >>> np.round(result.point.s, 4)
    array([3., 2.])
    """
