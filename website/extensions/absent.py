"""Stand in for packages that are not installed: the book is built without torch or triton.

The pages are made from stored outputs and from docstrings, so nothing of these packages runs.
"""

from importlib.util import find_spec

from sphinx.ext.autodoc.mock import mock

ABSENT = [
    name
    for name in "huggingface_hub safetensors threadpoolctl tokenizers torch tqdm triton".split()
    if find_spec(name) is None
]


def mocked():
    """Return a context in which importing one of ABSENT gives Sphinx's stand-in for it."""
    return mock(ABSENT)
