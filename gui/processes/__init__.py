"""The processes beside the window, each with what it is asked and what it reports, and the window's side of them."""
