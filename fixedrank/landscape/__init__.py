"""The landscape of L^1 on M_k and of L^N: critical points and what they are (section 4)."""

from fixedrank.landscape.certificates import RateCertificate, certify
from fixedrank.landscape.classification import PointClassification, classify
from fixedrank.landscape.critical_points import CriticalPoint, critical_points, global_minimizer
from fixedrank.landscape.dual import DualCertificate, dual_certificate
from fixedrank.landscape.factors import FactorsClassification, classify_factors
from fixedrank.landscape.hypotheses import Hypotheses, Theorem, check_hypotheses

__all__ = [
    "CriticalPoint",
    "DualCertificate",
    "FactorsClassification",
    "Hypotheses",
    "PointClassification",
    "RateCertificate",
    "Theorem",
    "certify",
    "check_hypotheses",
    "classify",
    "classify_factors",
    "critical_points",
    "dual_certificate",
    "global_minimizer",
]
