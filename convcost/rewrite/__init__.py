"""Replacing layers of a network by others: rules as text, what they match, and one engine that applies them."""

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.rewrite.engine import Replaced, Rewriting, Skipped, replace
from convcost.rewrite.rules import Rule, parse_rules

__all__ = ["Replaced", "Rewriting", "Rule", "Skipped", "parse_rules", "replace"]
