"""Many or large matrices as small squares without numbers."""

from collections.abc import Sequence

import numpy as np

from attnbook.plots.style import FAINT, INK, SHADES, Picture, styled
from attnbook.show import to_numpy


@styled
def all_heads(weights, *, top: float = 1, ring: Sequence[tuple[int, int]] = ()) -> Picture:
    """Draw the weights of every head as a small square, one row for each layer.

    Args:
        weights: (L, H, N, N). Layers and heads are named from 1 in the picture.
        top: Weights at or above this are darkest.
        ring: (layer, head) of each head to outline, counted from 0.

    Returns:
        The picture.
    """
    weights = to_numpy(weights)
    num_layers, num_heads = weights.shape[:2]
    picture = Picture(figsize=(0.62 * num_heads, 0.66 * num_layers + 0.3))
    axes = picture.subplots(num_layers, num_heads, squeeze=False)
    picture.subplots_adjust(wspace=0.08, hspace=0.08)
    for (layer, head), ax in np.ndenumerate(axes):
        ax.imshow(weights[layer, head], cmap=SHADES, vmin=0, vmax=top)
        ax.set_xticks([])
        ax.set_yticks([])
        ringed = (layer, head) in ring
        ax.spines[:].set(visible=True, color=INK if ringed else FAINT, linewidth=1 + ringed)
        if layer == 0:
            ax.set_title("head 1" if head == 0 else head + 1, fontsize=9, loc="center")
        if head == 0:
            ax.set_ylabel("layer 1" if layer == 0 else layer + 1, fontsize=9)
    return picture


@styled
def patterns(arrays, *, titles: Sequence[str]) -> Picture:
    """Draw large matrices of one shape in pairs, darker where larger, with one colour scale.

    Args:
        arrays: Matrices of shape (N, M), boolean or not negative.
        titles: One for each matrix.

    Returns:
        The picture.
    """
    arrays = [to_numpy(array).astype(float) for array in arrays]
    down = -(-len(arrays) // 2)
    picture = Picture(figsize=(6.2, 3.2 * down), layout="constrained")
    axes = picture.subplots(down, 2, squeeze=False).ravel()
    top = max(array.max() for array in arrays)
    for ax, array, title in zip(axes, arrays, titles, strict=False):
        ax.imshow(array, cmap=SHADES, vmin=0, vmax=top, interpolation="none")
        ax.set(title=title, xlabel="key", ylabel="query")
    for ax in axes[len(arrays) :]:
        ax.set_visible(False)
    return picture
