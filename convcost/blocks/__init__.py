"""Composite blocks, one file a family: functions that call the builder, without any cost formula of their own."""

from convcost.blocks import convolution, gate, residual

__all__ = ["convolution", "gate", "residual"]
