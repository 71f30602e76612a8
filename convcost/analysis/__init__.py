"""What can be said about a graph: cost and memory, in integers or in symbols."""
