"""What all scenes paint with: gradients, soft shadows, curves and colours, in units of one hundredth of the width.

Painted at twice the size and shrunk at the end, which is all the antialiasing flat shapes need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

OVERSAMPLING = 2
GRAIN = 0.028


def colour(text: str) -> Colour:
    """`colour("e8c39e")`, as palettes are written."""
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def colours(text: str) -> tuple[Colour, ...]:
    """A palette written as hexadecimal words between spaces."""
    return tuple(colour(word) for word in text.split())


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` (0 to 1) of `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighter(base: Colour, share: float) -> Colour:
    return mix(base, (255, 255, 255), share)


def darker(base: Colour, share: float) -> Colour:
    return mix(base, (24, 18, 28), share)


class Canvas:
    """A picture in the making. x runs from 0 to 100, y from 0 to `height` (100, or 125 in portrait)."""

    def __init__(self, size: tuple[int, int], random: Random) -> None:
        self.random = random
        self._final_size = size
        self._size = (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING)
        self._unit = self._size[0] / 100
        self._image = Image.new("RGB", self._size)
        self._draw = ImageDraw.Draw(self._image)
        self.height = 100 * size[1] / size[0]

    def finish(self) -> Image.Image:
        """The picture at its final size, with a little light from above and the grain of paper."""
        picture = self._image.resize(self._final_size, Image.Resampling.LANCZOS)
        light = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize(self._final_size)
        lit = Image.composite(
            Image.new("RGB", self._final_size, (255, 250, 240)), picture, _faint(light, 0.08)
        )
        width, height = self._final_size
        noise = Image.frombytes("L", self._final_size, self.random.randbytes(width * height))
        return Image.blend(lit, Image.merge("RGB", (noise, noise, noise)), GRAIN)

    # Shapes

    def backdrop(self, top: Colour, bottom: Colour) -> None:
        self.gradient((0, 0, 100, self.height), top, bottom)

    def gradient(self, box: Sequence[float], top: Colour, bottom: Colour) -> None:
        """A rectangle that fades from `top` to `bottom`."""
        left, upper, right, lower = (round(value * self._unit) for value in box)
        size = (max(right - left, 1), max(lower - upper, 1))
        self._image.paste(_fade(size, top, bottom), (left, upper))

    def polygon(self, points: Iterable[Point], fill: Colour) -> None:
        self._draw.polygon(self._pixels(points), fill=fill)

    def shaded(self, points: Sequence[Point], top: Colour, bottom: Colour) -> None:
        """A polygon that fades from `top` at its highest point to `bottom` at its lowest."""
        pixels = self._pixels(points)
        left, right = min(x for x, _ in pixels), max(x for x, _ in pixels)
        upper, lower = min(y for _, y in pixels), max(y for _, y in pixels)
        corner = (math.floor(left), math.floor(upper))
        size = (max(math.ceil(right) - corner[0], 1), max(math.ceil(lower) - corner[1], 1))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([(x - corner[0], y - corner[1]) for x, y in pixels], fill=255)
        self._image.paste(_fade(size, top, bottom), corner, mask)

    def disc(self, centre: Point, radius: float, fill: Colour) -> None:
        self.oval(centre, radius, radius, fill)

    def oval(self, centre: Point, across: float, down: float, fill: Colour) -> None:
        x, y = centre
        box = [value * self._unit for value in (x - across, y - down, x + across, y + down)]
        self._draw.ellipse(box, fill=fill)

    def ring(self, centre: Point, radius: float, thickness: float, fill: Colour) -> None:
        x, y = centre
        box = [value * self._unit for value in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, outline=fill, width=max(round(thickness * self._unit), 1))

    def block(self, box: Sequence[float], fill: Colour, corner: float = 0) -> None:
        """A rectangle, with rounded corners if asked."""
        self._draw.rounded_rectangle(
            [value * self._unit for value in box], radius=corner * self._unit, fill=fill
        )

    def stroke(self, points: Sequence[Point], thickness: float, fill: Colour) -> None:
        """A line through `points` with round joints and round ends."""
        pixels = self._pixels(points)
        self._draw.line(pixels, fill=fill, width=max(round(thickness * self._unit), 1), joint="curve")
        for end in (points[0], points[-1]):
            self.disc(end, thickness / 2, fill)

    # Light

    def shadow(
        self, points: Iterable[Point], *, drop: Point = (1.2, 2.2), blur: float = 2, depth: float = 0.3
    ) -> None:
        """The soft shadow of a polygon, fallen by `drop`."""
        # Shadows are painted at a quarter of the size: blurring costs by area, and nobody sees the difference.
        scale = self._unit / 4
        mask = Image.new("L", (self._size[0] // 4, self._size[1] // 4))
        moved = [((x + drop[0]) * scale, (y + drop[1]) * scale) for x, y in points]
        ImageDraw.Draw(mask).polygon(moved, fill=round(255 * depth))
        self._lay((20, 14, 28), mask.filter(ImageFilter.GaussianBlur(blur * scale)))

    def glow(self, centre: Point, radius: float, fill: Colour, strength: float = 0.6) -> None:
        """A light that fades towards `radius`."""
        diameter = round(2 * radius * self._unit)
        halo = ImageChops.invert(Image.radial_gradient("L").resize((diameter, diameter)))
        # Pillow's radial gradient reaches black in the corners only; the part outside the circle must go.
        faded = halo.point([round(max(0, value - 75) / 180 * 255 * strength) for value in range(256)])
        x, y = (round((value - radius) * self._unit) for value in centre)
        self._image.paste(fill, (x, y, x + diameter, y + diameter), faded)

    def mist(self, upper: float, lower: float, fill: Colour, strength: float) -> None:
        """A veil that thickens from `upper` to `lower`."""
        size = (self._size[0], max(round((lower - upper) * self._unit), 1))
        veil = _faint(Image.linear_gradient("L").resize(size), strength)
        self._image.paste(Image.new("RGB", size, fill), (0, round(upper * self._unit)), veil)

    def mirror(self, waterline: float, tint: Colour, share: float) -> None:
        """Everything above `waterline` again below it, upside down, tinted by `share` of `tint`."""
        line = round(waterline * self._unit)
        width, height = self._size
        depth = height - line
        above = self._image.crop((0, max(line - depth, 0), width, line))
        reflection = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((width, depth))
        soft = reflection.filter(ImageFilter.BoxBlur(self._unit / 3))
        self._image.paste(Image.blend(soft, Image.new("RGB", soft.size, tint), share), (0, line))

    def _lay(self, fill: Colour, mask: Image.Image) -> None:
        self._image.paste(fill, (0, 0), mask.resize(self._size, Image.Resampling.BILINEAR))

    def _pixels(self, points: Iterable[Point]) -> list[Point]:
        return [(x * self._unit, y * self._unit) for x, y in points]


Scene = Callable[[Canvas], None]


# Outlines


def round_outline(centre: Point, across: float, down: float, turn: float = 0) -> list[Point]:
    """An ellipse as a polygon, turned by `turn` degrees."""
    angle = math.radians(turn)
    sine, cosine = math.sin(angle), math.cos(angle)
    outline = []
    for step in range(72):
        around = math.tau * step / 72
        x, y = across * math.cos(around), down * math.sin(around)
        outline.append((centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine))
    return outline


def leaf_outline(base: Point, tip: Point, width: float) -> list[Point]:
    """A pointed leaf from `base` to `tip`, `width` across at its middle."""
    (x, y), (to_x, to_y) = base, tip
    length = math.hypot(to_x - x, to_y - y) or 1
    across = (-(to_y - y) / length, (to_x - x) / length)
    there, back = [], []
    for step in range(17):
        share = step / 16
        bulge = width / 2 * math.sin(math.pi * share**0.85)
        middle = (x + (to_x - x) * share, y + (to_y - y) * share)
        there.append((middle[0] + across[0] * bulge, middle[1] + across[1] * bulge))
        back.append((middle[0] - across[0] * bulge, middle[1] - across[1] * bulge))
    return there + back[::-1]


def arc_points(centre: Point, radius: float, start: float, end: float, steps: int = 32) -> list[Point]:
    """Points along a circle, from `start` to `end` degrees, clockwise from the right."""
    angles = (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def ridge(
    random: Random, level: float, roughness: float, *, width: float = 100, steps: int = 64
) -> list[Point]:
    """A skyline around `level`: a few waves of falling strength, never the same twice."""
    waves = [(random.uniform(0, math.tau), 2**octave, roughness / 1.75**octave) for octave in range(6)]
    points = []
    for step in range(steps + 1):
        x = width * step / steps
        lift = sum(math.sin(x / width * 2.2 * pace + phase) * strength for phase, pace, strength in waves)
        points.append((x, level - lift))
    return points


def _faint(mask: Image.Image, strength: float) -> Image.Image:
    return mask.point([round(value * strength) for value in range(256)])


def _fade(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)
