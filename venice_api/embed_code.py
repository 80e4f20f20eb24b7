"""The embed code that editors copy: the script, CSS that reserves the feed's space, and the element.

Until the script has run, the CSS gives the element the height of the loaded feed and draws empty tiles, so that nothing
on the page moves. It needs no script. Its geometry is that of widget.js: a line of 2.4em for the profile and .9em below
it, square tiles, 10 pixels between them, and 2.6em for the button of `page-size` with 1em above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

COLUMNS, COLUMNS_NARROW = 4, 2

_EVERY_FEED = """\
  instagram-feed:not(:defined) { display: flow-root; --igf-columns: 2; --gap: var(--igf-gap, 10px); }
  instagram-feed[reserve~="profile"]:not(:defined)::before { content: ""; display: block; height: 3.3em; }
  instagram-feed[reserve]:not(:defined)::after {
    content: ""; display: block;
    padding-top: calc((100% + var(--gap)) * var(--igf-rows) / var(--igf-columns) - var(--gap));
    background: linear-gradient(#8882 0 0) 0 0 /
      calc((100% - var(--gap) * (var(--igf-columns) - 1)) / var(--igf-columns))
      calc((100% - var(--gap) * (var(--igf-rows) - 1)) / var(--igf-rows)) space;
  }
  @media (min-width: 900px) { instagram-feed:not(:defined) { --igf-columns: 4; } }
"""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a feed will show: so many posts, and the profile's line. `page_size` 0: all posts at once."""

    posts: int
    has_profile: bool = True
    page_size: int = 0
    columns: int = COLUMNS
    columns_narrow: int = COLUMNS_NARROW

    @property
    def words(self) -> str:
        """The value of the element's `reserve`."""
        return f"{self.posts} profile" if self.has_profile else str(self.posts)

    @property
    def _shown(self) -> int:
        return min(self.page_size or self.posts, self.posts)

    def attributes(self) -> str:
        return " ".join(f'{name}="{value}"' for name, value in self._named())

    def _named(self) -> Iterator[tuple[str, object]]:
        yield "reserve", self.words
        if self.page_size:
            yield "page-size", self.page_size
        if self.columns != COLUMNS:
            yield "columns", self.columns
        if self.columns_narrow != COLUMNS_NARROW:
            yield "columns-narrow", self.columns_narrow

    def css(self) -> str:
        """The rules of this feed. They follow those of every feed."""
        feed = "".join(f'[{name}="{value}"]' for name, value in self._named())
        feed = f"instagram-feed{feed}:not(:defined)"
        narrow, wide = self._rows(self.columns_narrow), self._rows(self.columns)
        if self.columns_narrow != COLUMNS_NARROW:
            narrow += f" --igf-columns: {self.columns_narrow};"
        if self.columns != COLUMNS or self.columns_narrow != COLUMNS_NARROW:
            wide += f" --igf-columns: {self.columns};"
        if self._shown < self.posts:
            narrow += " padding-bottom: 3.6em;"
        return f"  {feed} {{ {narrow} }}\n  @media (min-width: 900px) {{ {feed} {{ {wide} }} }}\n"

    def _rows(self, columns: int) -> str:
        return f"--igf-rows: {-(-self._shown // columns)};"


def embed_code(base_url: str, token: str, reserve: Reserve) -> str:
    """HTML, in lines. `base_url`: the service's."""
    return (
        f'<script src="{base_url}/embed/widget.js" async></script>\n'
        f"<style>\n{_EVERY_FEED}{reserve.css()}</style>\n"
        f'<instagram-feed token="{token}" {reserve.attributes()}></instagram-feed>'
    )
