"""Stand in for packages that are not installed: the book is built without torch or triton.

The pages are made from stored outputs and from docstrings, so nothing of these packages runs.
"""

from importlib.util import find_spec
from typing import Union

from sphinx.ext.autodoc.mock import _MockObject, mock

ABSENT = [
    name
    for name in "huggingface_hub safetensors threadpoolctl tokenizers torch tqdm triton".split()
    if find_spec(name) is None
]

# Sphinx's stand-in lacks what the signature of an optional tensor needs: Tensor | None.
_MockObject.__or__ = lambda self, other: Union[self, other]  # noqa: UP007
_MockObject.__ror__ = lambda self, other: Union[other, self]  # noqa: UP007


def mocked():
    """Return a context in which importing one of ABSENT gives Sphinx's stand-in for it."""
    return mock(ABSENT)
