"""Where learning begins: subspace identification, order, kernels."""
