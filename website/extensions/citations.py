"""Cite as "(Vaswani et al., 2017)" and "Vaswani et al. (2017)", in round brackets."""

from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


class RoundAuthorYear(AuthorYearReferenceStyle):
    """The author-year style with round brackets instead of square ones."""

    def __init__(self):
        round_brackets = BracketStyle(left="(", right=")")
        super().__init__(
            bracket_textual=round_brackets,
            bracket_parenthetical=round_brackets,
            bracket_author=round_brackets,
            bracket_label=round_brackets,
            bracket_year=round_brackets,
        )


def setup(app):
    register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundAuthorYear)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
