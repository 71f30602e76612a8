"""Costs in closed form: operators, networks and replacements on symbols. Only this folder imports sympy."""
