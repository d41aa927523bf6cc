"""The engine: players of ``lm.players.specs`` for every board that speaks UCI or UCCI (``xqlm engine``)."""
