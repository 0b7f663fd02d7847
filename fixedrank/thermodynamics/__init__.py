"""Entropy and noise: free energies, exact laws, and Langevin dynamics on matrices of rank k."""

__all__: list[str] = []
