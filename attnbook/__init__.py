"""What the chapters use beside attnlib: printing, drawing, small models, exercises."""

from attnbook.device import processor, torch_device

__all__ = ["processor", "torch_device"]
