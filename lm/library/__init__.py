"""The library: games in a database, searched by player, event, result and position: `lm.library.library.Library`."""
