"""Entropy and noise: free energies, exact laws, and Langevin dynamics on matrices of rank k."""

from fixedrank.thermodynamics.fibre_entropy import FibreEntropy, log_fibre_volume
from fixedrank.thermodynamics.free_energies import FreeEnergy, free_energy
from fixedrank.thermodynamics.sampling import langevin
from fixedrank.thermodynamics.trajectory import LangevinTrajectory

__all__ = [
    "FibreEntropy",
    "FreeEnergy",
    "LangevinTrajectory",
    "free_energy",
    "langevin",
    "log_fibre_volume",
]
