"""Search: a tree led by the model's policy, with values from the model and from tactics."""
