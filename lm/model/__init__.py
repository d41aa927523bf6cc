"""The model: what it reads, the network, and how moves are drawn from it."""
