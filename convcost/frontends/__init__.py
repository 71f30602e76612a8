"""Front ends: what a network can be read from."""
