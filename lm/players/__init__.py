"""Players, which choose moves: the model, engines, simple players, and the specs that name them."""
