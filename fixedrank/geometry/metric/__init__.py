"""The metric g_W on the tangent spaces of M_k: its tables, its derivatives, and what they make."""
