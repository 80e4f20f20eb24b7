"""The embed code that editors copy: the script, CSS that reserves the feed's space, and the element.

Until the script has run, the CSS gives the element the height of the loaded feed and draws empty tiles, so that nothing
on the page moves. It needs no script. Its geometry is that of widget.js: a line of 2.4em for the header and .9em below
it, tiles in columns, and 2.6em for the button of `pageSize` with 1em above it.

How the feed looks is not part of the code: the feed's answer says it, so that changes in the editor reach pages without
new code. The code only remembers, in `reserve`, how the feed looked when it was copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

COLUMNS, COLUMNS_NARROW, GAP = 4, 2, 10
TILE_RATIOS = {"1:1": 1.0, "4:5": 1.25}  # height by width
# Pictures in their own sizes are of unknown height. Most are upright.
ESTIMATED_RATIO = 1.25
ESTIMATED_CAPTION = "4em"
# From this width of the element up, the feed has so many columns: all of `narrow` or of `wide`, or at most this number.
BREAKPOINTS = ((0, 2), (300, 3), (480, None), (900, None))

_EVERY_FEED = """\
instagram-feed:not(:defined) {
  display: flow-root; container-type: inline-size;
  width: -moz-available; width: -webkit-fill-available; width: stretch;
}
instagram-feed[reserve~="profile"]:not(:defined)::before { content: ""; display: block; height: 3.3em; }
instagram-feed[reserve]:not(:defined)::after {
  content: ""; display: block; --igf-space: var(--igf-gap, var(--igf-saved-gap, 10px));
  --igf-tile: calc((100% + var(--igf-space)) / var(--igf-columns) - var(--igf-space));
  --igf-row: calc(var(--igf-tile) * var(--igf-ratio, 1) + var(--igf-below, 0px) + var(--igf-space));
  padding-top: calc(var(--igf-row) * var(--igf-rows) - var(--igf-space));
  background: linear-gradient(#8882 0 0) 0 0 / var(--igf-tile)
    calc((100% - var(--igf-space) * (var(--igf-rows) - 1)) / var(--igf-rows)) space;
}
"""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a feed will show: so many posts, and the header's line. `page_size` 0: all posts at once."""

    posts: int
    has_profile: bool = True
    page_size: int = 0
    columns: int = COLUMNS
    columns_narrow: int = COLUMNS_NARROW
    gap: int = GAP
    tile_ratio: str = "1:1"
    layout: str = "grid"
    captions: str = "hover"

    @classmethod
    def of(cls, posts: int, appearance: dict[str, Any] | None, *, has_profile: bool) -> Self:
        """`appearance`: the look that the editor has saved, as in the feed's answer; None if there is none."""
        if not appearance:
            return cls(posts, has_profile)
        return cls(
            posts,
            has_profile=appearance["header"],
            page_size=appearance["pageSize"],
            columns=appearance["columns"]["wide"],
            columns_narrow=appearance["columns"]["narrow"],
            gap=appearance["gap"],
            tile_ratio=appearance["tileRatio"],
            layout=appearance["layout"],
            captions=appearance["captions"],
        )

    @property
    def words(self) -> str:
        """The value of the element's `reserve`."""
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield str(self.posts)
        if self.has_profile:
            yield "profile"
        if self.layout != "grid":
            yield f"layout:{self.layout}"
        if (self.columns, self.columns_narrow) != (COLUMNS, COLUMNS_NARROW):
            yield f"columns:{self.columns}/{self.columns_narrow}"
        if self.tile_ratio != "1:1":
            yield f"ratio:{self.tile_ratio}"
        if self.gap != GAP:
            yield f"gap:{self.gap}"
        if self.captions == "below":
            yield "captions:below"
        if self.page_size:
            yield f"page:{self.page_size}"

    def css(self) -> str:
        """The rules of this feed. They follow those of every feed."""
        element = f'instagram-feed[reserve="{self.words}"]:not(:defined)'
        lines = []
        if self._has_button:
            lines.append(f"{element} {{ padding-bottom: 3.6em; }}")
        looks = "".join(f" {name}: {value};" for name, value in self._values())
        if looks:
            lines.append(f"{element}::after {{{looks} }}")
        for width, columns in self._columns():
            rule = f"{element}::after {{ --igf-columns: {columns}; --igf-rows: {self._rows(columns)}; }}"
            lines.append(f"@container (min-width: {width}px) {{ {rule} }}" if width else rule)
        return "".join(f"{line}\n" for line in lines)

    def _values(self) -> Iterator[tuple[str, object]]:
        if self.gap != GAP:
            yield "--igf-saved-gap", f"{self.gap}px"
        if self._ratio != 1:
            yield "--igf-ratio", f"{self._ratio:g}"
        if self.captions == "below":
            yield "--igf-below", ESTIMATED_CAPTION

    def _columns(self) -> Iterator[tuple[int, int]]:
        """The number of columns from each width up at which it changes."""
        before = 0
        for width, most in BREAKPOINTS:
            wanted = self.columns if width == BREAKPOINTS[-1][0] else self.columns_narrow
            columns = min(wanted, most or wanted)
            if columns != before:
                yield width, columns
            before = columns

    @property
    def _ratio(self) -> float:
        if self.layout == "masonry":
            return ESTIMATED_RATIO
        return TILE_RATIOS.get(self.tile_ratio, ESTIMATED_RATIO)

    @property
    def _shown(self) -> int:
        return min(self.page_size or self.posts, self.posts)

    @property
    def _has_button(self) -> bool:
        return self.layout != "carousel" and self._shown < self.posts

    def _rows(self, columns: int) -> int:
        return 1 if self.layout == "carousel" else -(-self._shown // columns)


def stylesheet(*feeds: Reserve) -> str:
    """The CSS that reserves the space of these feeds."""
    return _EVERY_FEED + "".join(feed.css() for feed in dict.fromkeys(feeds))


def embed_code(base_url: str, token: str, reserve: Reserve) -> str:
    """HTML, in lines. `base_url`: the service's."""
    css = "".join(f"  {line}\n" for line in stylesheet(reserve).splitlines())
    return (
        f'<script src="{base_url}/embed/widget.js" async></script>\n'
        f"<style>\n{css}</style>\n"
        f'<instagram-feed token="{token}" reserve="{reserve.words}"></instagram-feed>'
    )
