"""Scenes of a bakery: bread, pastry, coffee, and the shop they are sold in."""

from __future__ import annotations

import math

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

_TABLES = (
    colours("f4e3cf e9cfb2"),
    colours("e7dfd3 d6c9b8"),
    colours("2f3a42 232b31"),
    colours("d9e2d6 bccab7"),
    colours("efd6cc e2bbad"),
    colours("6b4a3a 573a2d"),
    colours("dbe4ea bfced8"),
)
_CRUSTS = colours("c9803f b56a2c d49a55 a85a24")
_CREAM = colour("fbf1e0")
_FLOUR = colour("fff8ec")


def loaf(canvas: Canvas) -> None:
    """A scored loaf on a board, dusted with flour."""
    _table(canvas)
    middle = canvas.height * 0.53
    board = round_outline((50, middle + 6), 44, 33)
    wood = canvas.random.choice(colours("b98a5d 9c6f47 caa27a"))
    canvas.shadow(board, depth=0.35, blur=3)
    canvas.shaded(board, lighter(wood, 0.15), darker(wood, 0.12))
    for offset in (-20, -9, 3, 14, 24):
        half = 44 * math.sqrt(max(0.0, 1 - (offset / 33) ** 2)) * 0.92
        y = middle + 6 + offset
        canvas.stroke([(50 - half, y), (50, y + 0.8), (50 + half, y)], 0.35, darker(wood, 0.14))
    _bread(canvas, (50, middle), turn=canvas.random.uniform(-24, 24))
    _crumbs(canvas, (50, middle + 8), 40, _FLOUR)


def baguettes(canvas: Canvas) -> None:
    """Three baguettes side by side on a cloth."""
    _table(canvas)
    cloth = canvas.random.choice(colours("e9eef0 f3ece0 d9e3dc"))
    stripe = canvas.random.choice(colours("b5483c 3f6a8a 55735a"))
    middle = canvas.height / 2
    sheet = [(8, middle - 38), (90, middle - 42), (94, middle + 38), (6, middle + 42)]
    canvas.shadow(sheet, depth=0.22)
    canvas.polygon(sheet, cloth)
    for left in (13, 16, 82, 85):
        canvas.stroke([(left, middle - 38.5), (left + 1, middle + 40)], 0.8, stripe)
    for place in (-21, 0, 21):
        _baguette(canvas, (50 + place, middle + canvas.random.uniform(-3, 3)), canvas.random.uniform(-9, 9))
    _crumbs(canvas, (50, middle), 42, lighter(_CRUSTS[2], 0.3))


def croissants(canvas: Canvas) -> None:
    """Croissants on a plate, from above."""
    _table(canvas)
    centre = (50, canvas.height * 0.5)
    _plate(canvas, centre, 41)
    turn = canvas.random.uniform(0, 360)
    for place in range(3):
        angle = math.radians(turn + 120 * place)
        spot = (centre[0] + 16.5 * math.cos(angle), centre[1] + 16.5 * math.sin(angle))
        _croissant(canvas, spot, turn + 120 * place + 90, canvas.random.choice(_CRUSTS))
    _crumbs(canvas, centre, 30, lighter(_CRUSTS[2], 0.25))


def coffee(canvas: Canvas) -> None:
    """A cup of coffee with a leaf poured into its foam."""
    _table(canvas)
    centre = (50 + canvas.random.uniform(-4, 4), canvas.height * 0.52)
    glaze = canvas.random.choice(colours("f7f4ee 3d5a6c e5b59a 7d8f77 2e2f36 d98f6b"))
    _plate(canvas, centre, 40, glaze=lighter(glaze, 0.25))
    angle = math.radians(canvas.random.uniform(-40, 40))
    handle = (centre[0] + 29 * math.cos(angle), centre[1] + 29 * math.sin(angle))
    canvas.shadow(round_outline(centre, 27, 27), depth=0.45, drop=(2, 3.5), blur=2.5)
    canvas.ring(handle, 8, 3, darker(glaze, 0.12))
    canvas.disc(centre, 27, glaze)
    canvas.disc(centre, 25, darker(glaze, 0.2))
    canvas.disc(centre, 24, colour("6f4223"))
    canvas.disc(centre, 22.6, colour("a9713f"))
    canvas.disc(centre, 20.8, colour("b98150"))
    _poured_leaf(canvas, centre, canvas.random.uniform(-35, 35))
    if canvas.random.random() < 0.7:
        _spoon(canvas, (centre[0] - 40, centre[1] + 20))


def cake(canvas: Canvas) -> None:
    """A layered cake on a stand against a plain wall."""
    wall, table = canvas.random.choice(
        (
            colours("f6d9d5 e7a9a3"),
            colours("d8e6e3 a3c2bd"),
            colours("f4e7c8 dfbf85"),
            colours("dcd6ee b0a4d4"),
        )
    )
    horizon = canvas.height * 0.72
    canvas.backdrop(lighter(wall, 0.3), wall)
    canvas.gradient((0, horizon, 100, canvas.height), table, darker(table, 0.12))
    canvas.shadow(round_outline((50, horizon + 9), 26, 4), depth=0.4)
    canvas.shaded(
        [(46, horizon - 12), (54, horizon - 12), (57, horizon + 8), (43, horizon + 8)],
        lighter(table, 0.75),
        lighter(table, 0.45),
    )
    canvas.oval((50, horizon + 8), 14, 3, lighter(table, 0.5))
    canvas.oval((50, horizon - 12), 36, 4.5, lighter(table, 0.8))
    sponge, cream = canvas.random.choice(
        (colours("a8643a fff1dc"), colours("6a3f2b f7d6cf"), colours("e2b05f fffaf0"))
    )
    top = horizon - 45
    for layer in range(3):
        upper = top + 11 * layer
        canvas.gradient((24, upper, 76, upper + 11), lighter(sponge, 0.08), darker(sponge, 0.08))
        canvas.block((23.4, upper + 8, 76.6, upper + 11), cream, corner=1.4)
    canvas.oval((50, horizon - 12), 26, 2.4, cream)
    _icing(canvas, top, cream)
    for place in range(5):
        _berry(canvas, (30 + 10 * place, top - 3.6), 4, canvas.random.choice(colours("c8324a d94f5c b12a44")))


def cookies(canvas: Canvas) -> None:
    """Cookies in rows on baking paper."""
    _table(canvas)
    inset = 7
    paper = [
        (inset, inset + 1),
        (100 - inset, inset - 1),
        (101 - inset, canvas.height - inset),
        (inset - 1, canvas.height - inset + 1),
    ]
    canvas.shadow(paper, depth=0.25)
    canvas.polygon(paper, colour("fbf6ea"))
    dough, chip = canvas.random.choice(
        (colours("d9a566 4a2a1b"), colours("8a5636 2e1a12"), colours("e9c88f b23a48"))
    )
    rows = 3 if canvas.height <= 100 else 4
    for row in range(rows):
        for column in range(3):
            x = 50 + (column - 1) * 27 + canvas.random.uniform(-1.5, 1.5)
            y = canvas.height / 2 + (row - (rows - 1) / 2) * 27 + canvas.random.uniform(-1.5, 1.5)
            _cookie(canvas, (x, y), canvas.random.uniform(10.2, 11.8), dough, chip)


def tart(canvas: Canvas) -> None:
    """A tart full of berries, from above."""
    _table(canvas)
    centre = (50, canvas.height * 0.5)
    _plate(canvas, centre, 44)
    crust = canvas.random.choice(_CRUSTS)
    canvas.shadow(round_outline(centre, 35, 35), depth=0.4)
    for step in range(28):
        angle = math.tau * step / 28
        canvas.disc(
            (centre[0] + 33.5 * math.cos(angle), centre[1] + 33.5 * math.sin(angle)),
            4.2,
            mix(crust, _CREAM, 0.12 * (step % 2)),
        )
    canvas.disc(centre, 33, crust)
    canvas.disc(centre, 30, canvas.random.choice(colours("f7e3a9 fbeed4 f3d3c6")))
    fruit = canvas.random.choice(
        (
            colours("c8324a d94f5c"),
            colours("3c4a86 52619f"),
            colours("e28a2f f0a94b"),
            colours("7c2f57 96406d"),
        )
    )
    for circle, count in ((25, 15), (17, 10), (9, 6), (0, 1)):
        for step in range(count):
            angle = math.tau * (step / count) + circle
            spot = (centre[0] + circle * math.cos(angle), centre[1] + circle * math.sin(angle))
            _berry(canvas, spot, 4.5, fruit[(step + circle) % 2])
    for angle in (20, 150, 260):
        _leaf(canvas, centre, angle + canvas.random.uniform(-20, 20), 9)


def shopfront(canvas: Canvas) -> None:
    """A shop with its awning, door and window."""
    wall, paint, sky = canvas.random.choice(
        (
            colours("e8d5bf 2f5d62 cfe4ee"),
            colours("d98c6a 3a2f3d f7dcc0"),
            colours("c7d3c0 8a3b32 e6eee4"),
            colours("b9c6d6 27364b f4e6d8"),
        )
    )
    canvas.backdrop(sky, lighter(sky, 0.5))
    ground = canvas.height - 15
    canvas.gradient((8, 14, 92, ground), lighter(wall, 0.12), wall)
    canvas.gradient((0, ground, 100, canvas.height), colour("b7aea6"), colour("8f867f"))
    canvas.block((14, 20, 86, 30), paint, corner=1)
    for dot in range(9):
        canvas.disc((26 + dot * 6, 25), 1.3, lighter(wall, 0.65))
    glass = (18, 38, 60, ground - 6)
    canvas.block((16, 36, 62, ground - 4), paint, corner=0.8)
    canvas.gradient(glass, colour("ffe9b8"), colour("f3b765"))
    for shelf in (0.45, 0.85):
        y = glass[1] + (glass[3] - glass[1]) * shelf
        canvas.block((18, y, 60, y + 1.4), darker(paint, 0.1))
        for place in range(5):
            canvas.oval((23 + place * 8, y - 2.4), 3.3, 2.6, canvas.random.choice(_CRUSTS))
    canvas.block((66, 36, 84, ground), paint, corner=0.8)
    canvas.gradient((68.5, 39, 81.5, ground - 18), colour("fbe0a6"), colour("e9b26a"))
    canvas.disc((69.5, ground - 12), 1, colour("e7c873"))
    _awning(canvas, paint, 33)
    for pot in (10, 88):
        _pot(canvas, (pot, ground))


SCENES: dict[str, Scene] = {
    "baguettes": baguettes,
    "bread": loaf,
    "cake": cake,
    "coffee": coffee,
    "cookies": cookies,
    "croissants": croissants,
    "shop": shopfront,
    "tart": tart,
}


def _table(canvas: Canvas) -> None:
    top, bottom = canvas.random.choice(_TABLES)
    canvas.backdrop(lighter(top, 0.1), bottom)
    if canvas.random.random() < 0.6:
        planks = canvas.random.choice((4, 5))
        for seam in range(1, planks):
            x = 100 * seam / planks
            canvas.stroke([(x, -2), (x + 0.6, canvas.height + 2)], 0.35, darker(bottom, 0.16))


def _plate(canvas: Canvas, centre: Point, radius: float, glaze: Colour | None = None) -> None:
    glaze = glaze or canvas.random.choice(colours("fdfaf4 e9eef1 f6e4d8 dfe8df"))
    canvas.shadow(round_outline(centre, radius, radius), depth=0.32, blur=3, drop=(1.5, 3))
    canvas.disc(centre, radius, darker(glaze, 0.06))
    canvas.disc(centre, radius - 0.8, glaze)
    canvas.disc(centre, radius * 0.74, darker(glaze, 0.05))
    canvas.disc(centre, radius * 0.72, lighter(glaze, 0.35))


def _bread(canvas: Canvas, centre: Point, turn: float) -> None:
    crust = canvas.random.choice(_CRUSTS)
    body = round_outline(centre, 34, 21, turn)
    canvas.shadow(body, depth=0.5, blur=2.5, drop=(1.5, 4))
    canvas.shaded(body, lighter(crust, 0.18), darker(crust, 0.22))
    canvas.shaded(round_outline((centre[0] - 1, centre[1] - 3), 28, 14, turn), lighter(crust, 0.3), crust)
    along = math.radians(turn)
    for place in (-19, -9.5, 0, 9.5, 19):
        x, y = centre[0] + place * math.cos(along), centre[1] + place * math.sin(along)
        reach = 11.5 * math.sqrt(1 - (place / 30) ** 2)
        lean = math.radians(turn + 68)
        ends = [
            (x - reach * math.cos(lean), y - reach * math.sin(lean)),
            (x + reach * math.cos(lean), y + reach * math.sin(lean)),
        ]
        canvas.polygon(leaf_outline(ends[0], ends[1], 5), darker(crust, 0.12))
        canvas.polygon(leaf_outline(ends[0], ends[1], 3.6), mix(_CREAM, crust, 0.18))


def _baguette(canvas: Canvas, centre: Point, turn: float) -> None:
    crust = canvas.random.choice(_CRUSTS)
    body = round_outline(centre, 8.2, 40, turn)
    canvas.shadow(body, depth=0.42)
    canvas.shaded(body, lighter(crust, 0.15), darker(crust, 0.12))
    canvas.polygon(round_outline((centre[0] - 1.6, centre[1] - 1), 4.6, 36, turn), lighter(crust, 0.14))
    along = math.radians(turn + 90)
    for place in range(-3, 4):
        x, y = centre[0] + place * 9.5 * math.cos(along), centre[1] + place * 9.5 * math.sin(along)
        canvas.polygon(leaf_outline((x - 5, y + 4), (x + 5, y - 4), 3.4), mix(_CREAM, crust, 0.25))


def _croissant(canvas: Canvas, centre: Point, turn: float, crust: Colour) -> None:
    """Overlapping segments along an arc, thick in the middle and thin at the horns."""
    hub = (
        centre[0] - 9 * math.cos(math.radians(turn + 90)),
        centre[1] - 9 * math.sin(math.radians(turn + 90)),
    )
    spots = arc_points(hub, 12, turn + 5, turn + 175, steps=8)
    segments = []
    for step, spot in enumerate(spots):
        swell = math.sin(math.pi * (step + 0.8) / (len(spots) + 0.6))
        lean = turn + 5 + 170 * step / (len(spots) - 1)
        segments.append((spot, 3.4 + 5.6 * swell, lean))
    for spot, girth, lean in segments:
        canvas.shadow(round_outline(spot, girth, 3.6, lean), depth=0.2, blur=1.5)
    for step, (spot, girth, lean) in enumerate(segments):
        tone = mix(crust, _CREAM, 0.1 + 0.12 * (step % 2))
        canvas.polygon(round_outline(spot, girth, 3.7, lean), darker(crust, 0.25))
        canvas.polygon(round_outline(spot, girth * 0.95, 3.1, lean), tone)
        canvas.polygon(round_outline(spot, girth * 0.6, 1, lean), lighter(tone, 0.3))


def _poured_leaf(canvas: Canvas, centre: Point, turn: float) -> None:
    """The rosetta of a barista: nested leaves of foam and a stem."""
    angle = math.radians(turn - 90)
    ahead = (math.cos(angle), math.sin(angle))
    base = (centre[0] - 15 * ahead[0], centre[1] - 15 * ahead[1])
    tip = (centre[0] + 15 * ahead[0], centre[1] + 15 * ahead[1])
    coffee_tone = colour("a9713f")
    for place, width in enumerate((26, 21, 16, 11, 6)):
        canvas.polygon(leaf_outline(base, tip, width), _CREAM if place % 2 == 0 else coffee_tone)
    canvas.stroke([base, tip], 0.9, _CREAM)


def _spoon(canvas: Canvas, bowl: Point) -> None:
    steel = colour("a3abb6")
    end = (bowl[0] + 8, bowl[1] + 30)
    canvas.shadow(round_outline(bowl, 4, 6), depth=0.3, blur=1)
    canvas.stroke([bowl, end], 1.8, steel)
    canvas.polygon(round_outline(bowl, 4.2, 6.4, -14), steel)
    canvas.polygon(round_outline(bowl, 3.1, 5, -14), darker(steel, 0.15))


def _icing(canvas: Canvas, top: float, cream: Colour) -> None:
    canvas.block((23, top - 3, 77, top + 3.4), cream, corner=3)
    for place in range(9):
        x = 26 + place * 6
        length = canvas.random.uniform(3, 8)
        canvas.stroke([(x, top), (x, top + length)], 4.2, cream)


def _berry(canvas: Canvas, centre: Point, radius: float, fill: Colour) -> None:
    canvas.disc((centre[0] + 0.4, centre[1] + 0.7), radius, darker(fill, 0.4))
    canvas.disc(centre, radius * 0.96, fill)
    canvas.disc((centre[0] - radius * 0.3, centre[1] - radius * 0.35), radius * 0.34, lighter(fill, 0.45))


def _cookie(canvas: Canvas, centre: Point, radius: float, dough: Colour, chip: Colour) -> None:
    outline = round_outline(
        centre, radius, radius * canvas.random.uniform(0.95, 1), canvas.random.uniform(0, 90)
    )
    canvas.shadow(outline, depth=0.35, blur=1.4)
    canvas.shaded(outline, lighter(dough, 0.15), darker(dough, 0.1))
    for _ in range(8):
        angle, reach = canvas.random.uniform(0, math.tau), radius * math.sqrt(canvas.random.uniform(0, 0.6))
        spot = (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
        size = canvas.random.uniform(1, 1.8)
        canvas.disc((spot[0] + 0.2, spot[1] + 0.3), size, darker(dough, 0.3))
        canvas.disc(spot, size, chip)


def _leaf(canvas: Canvas, base: Point, degrees: float, length: float) -> None:
    angle = math.radians(degrees)
    tip = (base[0] + length * math.cos(angle), base[1] + length * math.sin(angle))
    green = canvas.random.choice(colours("5f8a4c 4b7a4f 7ba05b"))
    canvas.polygon(leaf_outline(base, tip, length * 0.5), green)
    canvas.stroke([base, tip], 0.3, darker(green, 0.25))


def _awning(canvas: Canvas, paint: Colour, top: float) -> None:
    canvas.shadow([(10, top), (90, top), (94, top + 13), (6, top + 13)], depth=0.35, drop=(0, 4))
    for stripe in range(10):
        upper, lower = 10 + stripe * 8, 6 + stripe * 8.8
        tone = paint if stripe % 2 == 0 else _FLOUR
        canvas.polygon([(upper, top), (upper + 8, top), (lower + 8.8, top + 11), (lower, top + 11)], tone)
        canvas.oval((lower + 4.4, top + 11), 4.4, 3, tone)


def _pot(canvas: Canvas, foot: Point) -> None:
    x, y = foot
    for angle in range(-150, -20, 22):
        _leaf(canvas, (x, y - 8), angle, 13)
    clay = colour("b5654a")
    canvas.shaded(
        [(x - 5, y - 9), (x + 5, y - 9), (x + 3.6, y + 1), (x - 3.6, y + 1)], clay, darker(clay, 0.2)
    )


def _crumbs(canvas: Canvas, centre: Point, reach: float, fill: Colour) -> None:
    for _ in range(46):
        angle, away = canvas.random.uniform(0, math.tau), reach * math.sqrt(canvas.random.random())
        spot = (centre[0] + away * math.cos(angle), centre[1] + away * math.sin(angle))
        canvas.disc(spot, canvas.random.uniform(0.15, 0.55), fill)
