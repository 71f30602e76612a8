"""Options that several commands share."""

from __future__ import annotations

from typing import Any

from convcost.errors import ConvcostError
from convcost.frontends.expression import ExpressionError, evaluate, shorten
from convcost.frontends.yaml_reader import scalar_value

__all__ = ["parse_settings"]


def parse_settings(settings: list[str], option: str = "--set") -> dict[str, Any]:
    """The variables of `--set name=value` options, or of another option of that form.

    Raises:
        ConvcostError: one is not of that form, or its value cannot be computed.
    """
    variables: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        shown = shorten(setting)
        if not equals or not name or not text.strip():
            raise ConvcostError(f'{option} "{shown}": it must be name=value, such as {option} width=0.75')
        if name in variables:
            raise ConvcostError(f'{option} {shown}: "{shorten(name)}" is set twice')
        try:
            value = scalar_value(text.strip())
            variables[name] = evaluate(value, {}) if isinstance(value, str) and not value.isidentifier() else value
        except ExpressionError as error:
            raise ConvcostError(f"{option} {shown}: {error}") from None
    return variables
