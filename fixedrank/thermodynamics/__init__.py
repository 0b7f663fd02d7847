"""Entropy and noise: free energies, exact laws, and Langevin dynamics on matrices of rank k."""

from fixedrank.thermodynamics.fibre_entropy import FibreEntropy, log_fibre_volume
from fixedrank.thermodynamics.free_energies import FreeEnergy, free_energy

__all__ = [
    "FibreEntropy",
    "FreeEnergy",
    "free_energy",
    "log_fibre_volume",
]
