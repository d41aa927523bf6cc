"""Guesses what an illegible or illegal ply of a game record was: `lm.repair.repairer.Repairer`."""
