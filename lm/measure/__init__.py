"""Measurements of a model: held-out games, puzzles, probes, explanations, and the report."""
