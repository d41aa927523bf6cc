"""Learning from games: reviews of games, and puzzles."""
