"""Volume of the manifold in the metric of depth N: Brownian motion and Gibbs laws."""
