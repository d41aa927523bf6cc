"""The model: features and encoding, the network, prompts, sampling, and loading from folders."""
