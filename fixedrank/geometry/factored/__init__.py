"""The set M_k in factored form: points, tangent vectors and ambient matrices, with no metric."""
