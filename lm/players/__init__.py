"""Whatever chooses moves."""
