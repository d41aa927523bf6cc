"""Matches: games between players, by the hundred, and what they prove."""
