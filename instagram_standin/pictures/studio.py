"""Scenes of a studio: pots, plants, and paper cut to shapes; and the round picture of a profile."""

from __future__ import annotations

import math
from itertools import pairwise

from instagram_standin.pictures.canvas import (
    Canvas,
    Colour,
    Point,
    Scene,
    arc_points,
    colour,
    colours,
    darker,
    leaf_outline,
    lighter,
    mix,
    round_outline,
)

_PAPERS = (
    colours("f3e9dc d9704a 2f4858 e8b04a 7a9e87"),
    colours("ece7e1 31493c b3541e e3a857 7a8fa6"),
    colours("f7efe5 c2556b 36486b f2b880 88a096"),
    colours("e4ebe6 264653 e76f51 e9c46a 2a9d8f"),
    colours("f4ede4 5b4b8a e08e79 f4c95d 4f9d9a"),
)


def vases(canvas: Canvas) -> None:
    """Ceramics on a shelf, one with branches."""
    wall, shelf, *_ = canvas.random.choice(
        (
            colours("efe2d3 c9ab8b"),
            colours("d9e0dc a8977f"),
            colours("e8d3c8 b58968"),
            colours("cfd6de 9a8b7c"),
        )
    )
    ground = canvas.height * 0.8
    canvas.gradient((0, 0, 100, ground), lighter(wall, 0.25), wall)
    canvas.gradient((0, ground, 100, canvas.height), shelf, darker(shelf, 0.25))
    canvas.glow((24, 16), 48, colour("fffaf0"), 0.5)
    glazes = canvas.random.sample(colours("c8704d 4f6d7a e9dcc9 7d8f69 2f3437 d8a48f b7c4c1"), 3)
    _branches(canvas, (31, ground - 40))
    _pot(canvas, (31, ground + 5), 40, 13, glazes[0])
    _pot(canvas, (58, ground + 7), 24, 14.5, glazes[1])
    _pot(canvas, (80, ground + 4), 31, 8.5, glazes[2])


def shapes(canvas: Canvas) -> None:
    """Quarter circles, discs and bars on a grid, as on a poster of the nineteen-twenties."""
    paper, *inks = canvas.random.choice(_PAPERS)
    canvas.backdrop(paper, darker(paper, 0.04))
    columns, rows = 4, round(canvas.height / 25)
    cell = 88 / columns
    top = (canvas.height - rows * cell) / 2
    for row in range(rows):
        for column in range(columns):
            _tile(canvas, (6 + column * cell, top + row * cell), cell, inks, paper)


def arches(canvas: Canvas) -> None:
    """Nested arches with a sun, in the colours of clay."""
    paper, *inks = canvas.random.choice(_PAPERS)
    canvas.backdrop(lighter(paper, 0.2), paper)
    foot = canvas.height * 0.92
    centre = (canvas.random.uniform(38, 46), foot - 40)
    canvas.disc((canvas.random.uniform(70, 78), canvas.height * 0.22), 11, inks[2])
    outer = [(centre[0] - 36, foot), *arc_points(centre, 36, 180, 360), (centre[0] + 36, foot)]
    canvas.shadow(outer, depth=0.2)
    for place, radius in enumerate((36, 28, 20, 12)):
        tone = inks[place % len(inks)] if place < 3 else paper
        arch = [(centre[0] - radius, foot), *arc_points(centre, radius, 180, 360), (centre[0] + radius, foot)]
        canvas.shaded(arch, lighter(tone, 0.1), darker(tone, 0.06))
    for tilt in (-62, -84, -106):
        _sprig(canvas, (86, foot), tilt, 36, inks[3])


def plant(canvas: Canvas) -> None:
    """Large leaves before a plain wall, in a pot."""
    wall, pot = canvas.random.choice(
        (
            colours("f1d9cb c8704d"),
            colours("dce5d8 e9e2d6"),
            colours("f4e7c9 4f6d7a"),
            colours("d7e3ea d98c6a"),
        )
    )
    canvas.backdrop(lighter(wall, 0.25), darker(wall, 0.06))
    foot = canvas.height * 0.93
    canvas.gradient((0, foot - 7, 100, canvas.height), darker(wall, 0.12), darker(wall, 0.22))
    heart = (50, foot - 25)
    greens = canvas.random.choice(
        (colours("2f6b4f 4b8a5f 77ab70"), colours("35575a 4f7f78 86aa8f"), colours("5a6b35 7f8f4a aab46c"))
    )
    tilts = sorted(
        (-90 + spread for spread in (-72, -48, -24, 0, 25, 50, 74)),
        key=lambda tilt: abs(tilt + 90),
        reverse=True,
    )
    for place, tilt in enumerate(tilts):
        _broad_leaf(
            canvas,
            heart,
            tilt + canvas.random.uniform(-7, 7),
            canvas.random.uniform(38, 52),
            greens[place % 3],
        )
    _pot(canvas, (50, foot), 28, 15, pot)


def avatar(canvas: Canvas) -> None:
    """A simple emblem that survives being cut round and shown small."""
    paper, *inks = canvas.random.choice(_PAPERS)
    ground, first, second = canvas.random.sample(inks, 3)
    canvas.backdrop(lighter(ground, 0.12), darker(ground, 0.08))
    centre = (50, canvas.height / 2)
    canvas.disc(centre, 33, paper)
    emblem = canvas.random.choice((_sun_emblem, _leaf_emblem, _peak_emblem))
    emblem(canvas, centre, first, second)


SCENES: dict[str, Scene] = {
    "arches": arches,
    "avatar": avatar,
    "plant": plant,
    "shapes": shapes,
    "vases": vases,
}


def _pot(canvas: Canvas, foot: Point, height: float, girth: float, glaze: Colour) -> None:
    """A turned pot: its outline is drawn once and mirrored; a band of slip and a light stripe make it round."""
    x, y = foot
    belly, neck = canvas.random.uniform(0.45, 0.62), canvas.random.uniform(0.45, 0.72)
    profile = [
        (0.62, 0.0),
        (0.9, 0.14),
        (1.0, belly * 0.75),
        (0.96, belly),
        (neck, 0.86),
        (neck, 0.94),
        (neck + 0.1, 1.0),
    ]
    right = [(x + girth * wide, y - height * up) for wide, up in _smooth(profile)]
    outline = right + [(2 * x - px, py) for px, py in reversed(right)]
    canvas.shadow(round_outline((x + 2, y), girth * 1.1, 2.6), depth=0.4, blur=2)
    canvas.shaded(outline, lighter(glaze, 0.12), darker(glaze, 0.16))
    shade = [(px, py) for px, py in right] + [(x + (px - x) * 0.45, py) for px, py in reversed(right)]
    canvas.shaded(shade, darker(glaze, 0.08), darker(glaze, 0.3))
    gleam = [(x - (px - x) * 0.62, py) for px, py in right[5:-6]]
    canvas.stroke(gleam, girth * 0.09, lighter(glaze, 0.38))
    mouth = girth * (neck + 0.1)
    canvas.oval((x, y - height), mouth, mouth * 0.16, darker(glaze, 0.45))


def _smooth(profile: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Chaikin's corner cutting, thrice: enough for a curve."""
    for _ in range(3):
        cut = [profile[0]]
        for (ax, ay), (bx, by) in pairwise(profile):
            cut += [
                (ax * 0.75 + bx * 0.25, ay * 0.75 + by * 0.25),
                (ax * 0.25 + bx * 0.75, ay * 0.25 + by * 0.75),
            ]
        profile = [*cut, profile[-1]]
    return profile


def _branches(canvas: Canvas, mouth: Point) -> None:
    tone = canvas.random.choice(colours("6f7f5b 8a6a4f 5f7a70 b08a5a"))
    for tilt in (-118, -92, -66):
        _sprig(canvas, (mouth[0], mouth[1] + 4), tilt + canvas.random.uniform(-6, 6), 38, tone)


def _sprig(canvas: Canvas, base: Point, tilt: float, length: float, tone: Colour) -> None:
    angle = math.radians(tilt)
    tip = (base[0] + length * math.cos(angle), base[1] + length * math.sin(angle))
    canvas.stroke([base, tip], 0.6, darker(tone, 0.25))
    for step in range(3, 10):
        share = step / 10
        spot = (base[0] + (tip[0] - base[0]) * share, base[1] + (tip[1] - base[1]) * share)
        for side in (-48, 48):
            lean = math.radians(tilt + side)
            size = 8.4 * (1.25 - share)
            end = (spot[0] + size * math.cos(lean), spot[1] + size * math.sin(lean))
            canvas.polygon(leaf_outline(spot, end, size * 0.45), tone if side > 0 else lighter(tone, 0.15))


def _broad_leaf(canvas: Canvas, base: Point, tilt: float, length: float, tone: Colour) -> None:
    angle = math.radians(tilt)
    tip = (base[0] + length * math.cos(angle), base[1] + length * math.sin(angle))
    outline = leaf_outline(base, tip, length * 0.42)
    canvas.shadow(outline, depth=0.22, blur=1.6)
    canvas.shaded(outline, lighter(tone, 0.12), darker(tone, 0.1))
    canvas.stroke([base, tip], 0.7, lighter(tone, 0.25))
    for share in (0.3, 0.45, 0.6, 0.75):
        spot = (base[0] + (tip[0] - base[0]) * share, base[1] + (tip[1] - base[1]) * share)
        for side in (-42, 42):
            lean = math.radians(tilt + side)
            reach = length * 0.2 * (1.15 - share)
            canvas.stroke(
                [spot, (spot[0] + reach * math.cos(lean), spot[1] + reach * math.sin(lean))],
                0.35,
                lighter(tone, 0.22),
            )


def _tile(canvas: Canvas, corner: Point, size: float, inks: list[Colour], paper: Colour) -> None:
    x, y = corner
    ink, other = canvas.random.sample(inks, 2)
    centre = (x + size / 2, y + size / 2)
    kind = canvas.random.randrange(6)
    if kind == 0:
        start = canvas.random.choice((0, 90, 180, 270))
        hub = {0: (x, y), 90: (x + size, y), 180: (x + size, y + size), 270: (x, y + size)}[start]
        canvas.polygon([hub, *arc_points(hub, size, start, start + 90)], ink)
    elif kind == 1:
        canvas.block((x, y, x + size, y + size), ink)
        canvas.disc(centre, size * 0.36, paper)
        canvas.disc(centre, size * 0.2, other)
    elif kind == 2:
        for bar in range(4):
            canvas.block((x, y + size * bar / 4, x + size, y + size * (bar + 0.5) / 4), ink)
    elif kind == 3:
        canvas.block((x, y, x + size, y + size), mix(paper, ink, 0.25))
        canvas.polygon([(x, y + size), (x + size, y), (x + size, y + size)], ink)
    elif kind == 4:
        canvas.polygon(arc_points((x + size / 2, y), size / 2, 0, 180), ink)
        canvas.polygon(arc_points((x + size / 2, y + size / 2), size / 2, 0, 180), other)
    else:
        canvas.disc(centre, size * 0.47, ink)
        canvas.polygon(arc_points(centre, size * 0.47, 90, 270), other)


def _sun_emblem(canvas: Canvas, centre: Point, first: Colour, second: Colour) -> None:
    for ray in range(12):
        angle = math.tau * ray / 12
        near, far = 17, 24
        points = [
            (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
            for reach in (near, far)
        ]
        canvas.stroke(points, 2.4, second)
    canvas.disc(centre, 13, first)


def _leaf_emblem(canvas: Canvas, centre: Point, first: Colour, second: Colour) -> None:
    x, y = centre
    canvas.polygon(leaf_outline((x, y + 20), (x - 13, y - 15), 15), first)
    canvas.polygon(leaf_outline((x, y + 20), (x + 13, y - 15), 15), second)
    canvas.stroke([(x, y + 24), (x, y - 8)], 1.6, darker(first, 0.3))


def _peak_emblem(canvas: Canvas, centre: Point, first: Colour, second: Colour) -> None:
    x, y = centre
    canvas.disc((x + 9, y - 11), 6, second)
    canvas.polygon([(x - 8, y - 16), (x + 14, y + 16), (x - 26, y + 16)], first)
    canvas.polygon([(x + 11, y - 3), (x + 25, y + 16), (x - 3, y + 16)], darker(first, 0.2))
