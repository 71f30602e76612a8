"""Reports: a result becomes one table, and a table is rendered by one thin renderer a format."""
