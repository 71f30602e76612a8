"""Execution: graphs as PyTorch networks, and what a run of them says. The only folder that imports torch."""
