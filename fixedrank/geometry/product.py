"""Products of manifolds, for matrices of fixed rank beside other unknowns."""

from __future__ import annotations

from typing import Any

from pymanopt.manifolds import Product as PymanoptProduct

from fixedrank._shown import shortened, some


class Product(PymanoptProduct):
    """The Cartesian product of pymanopt manifolds, with Hessians by automatic differentiation.

    It is :class:`pymanopt.manifolds.Product` and one method more: pymanopt's class hands tangent
    vectors to automatic differentiation as they are, where those of :class:`FixedRank` have to be
    turned into directions of (u, s, vt) first, by ``embedding``. With it ``TrustRegions`` runs.
    Points and tangent vectors are lists, an entry for each manifold.

    Parameters
    ----------
    manifolds : sequence of pymanopt.manifolds.manifold.Manifold
        The factors, such as ``[FixedRank(m, n, k, depth=2), Euclidean(m)]``; products among them
        are not supported.

    Raises
    ------
    ValueError
        If a factor is a product itself.

    Examples
    --------
    A matrix of rank one and a number for each row:

    >>> import autograd.numpy as anp, numpy as np, pymanopt, fixedrank
    >>> A = np.outer([1.0, 2.0, 3.0], [1.0, -1.0]) + np.array([[5.0], [6.0], [7.0]])
    >>> matrices = fixedrank.FixedRank(3, 2, 1, depth=2, rng=0)
    >>> manifold = fixedrank.Product([matrices, pymanopt.manifolds.Euclidean(3)])
    >>> @pymanopt.function.autograd(manifold)
    ... def cost(u, s, vt, bias):
    ...     return anp.sum(((u * s) @ vt + bias[:, None] - A) ** 2)
    >>> solver = pymanopt.optimizers.TrustRegions(verbosity=0)
    >>> start = [matrices.random_point(), np.zeros(3)]
    >>> result = solver.run(pymanopt.Problem(manifold, cost), initial_point=start)
    >>> bool(result.cost < 1e-16)
    True
    """

    def __repr__(self) -> str:
        # Those of pymanopt have a description, but show their address.
        shown = [str(one) if " object at 0x" in repr(one) else repr(one) for one in self.manifolds]
        return f"Product([{some([shortened(text) for text in shown])}])"

    def embedding(self, point: Any, tangent_vector: Any) -> list[Any]:
        """Return the directions in which the arrays of a point move.

        Parameters
        ----------
        point : list
            A point of each factor.
        tangent_vector : list
            A tangent vector of each factor.

        Returns
        -------
        list
            What ``embedding`` of each factor returns, in the layout of a point.

        Examples
        --------
        >>> import numpy as np, pymanopt, fixedrank
        >>> matrices = fixedrank.FixedRank(3, 2, 1, depth=2)
        >>> manifold = fixedrank.Product([matrices, pymanopt.manifolds.Euclidean(3)])
        >>> point = [matrices.random_point(rng=0), np.zeros(3)]
        >>> directions, bias = manifold.embedding(point, manifold.zero_vector(point))
        >>> [part.shape for part in directions], bias.shape
        ([(3, 1), (1,), (1, 2)], (3,))
        """
        return list(self._dispatch("embedding")(point, tangent_vector))
