"""Scenes from outdoors: ridges, water, woods, night skies, fields."""

from __future__ import annotations

from instagram_standin.pictures.canvas import (
    Canvas,
    Colour,
    Point,
    Scene,
    colour,
    colours,
    darker,
    leaf_outline,
    lighter,
    mix,
    ridge,
)

# Sky above, sky below, the farthest ridge, the nearest.
_DAYS = (
    colours("f7c59f fbe8d3 c08a8e 2a2d43"),
    colours("8fb8de e6f1f5 8aa9bf 23414f"),
    colours("3b4a7a f2a57b 7a5a86 1f1d36"),
    colours("bcd8d1 f5efdc 8fb2a4 24453c"),
    colours("f4a5ae fde6d8 b07c9e 3a2748"),
    colours("6fa8a8 f7ead0 5d9090 163a43"),
    colours("cfd9e8 f8f4ee a9b6cc 39435c"),
)


def mountains(canvas: Canvas) -> None:
    """Ridges behind ridges, a sun, and snow on the highest."""
    above, below, far, near = canvas.random.choice(_DAYS)
    canvas.backdrop(above, below)
    _sun(canvas, (canvas.random.uniform(22, 78), canvas.height * canvas.random.uniform(0.18, 0.32)), below)
    _snow_peaks(canvas, canvas.height * 0.6, far, below)
    for layer in range(4):
        level = canvas.height * (0.56 + 0.12 * layer)
        tone = mix(far, near, (layer + 1) / 4)
        _range(canvas, ridge(canvas.random, level, 9 - layer), lighter(tone, 0.1), tone)
        canvas.mist(level, level + 16, below, 0.28 - 0.06 * layer)
    _tree_line(canvas, canvas.height * 0.97, near, 15)


def lake(canvas: Canvas) -> None:
    """Mountains and their mirror image."""
    above, below, far, near = canvas.random.choice(_DAYS)
    waterline = canvas.height * 0.56
    canvas.gradient((0, 0, 100, waterline), above, below)
    _sun(canvas, (canvas.random.uniform(25, 75), waterline * 0.42), below)
    _snow_peaks(canvas, waterline, far, below)
    _range(canvas, ridge(canvas.random, waterline - 9, 6), mix(far, near, 0.35), mix(far, near, 0.5))
    canvas.mist(waterline - 15, waterline, below, 0.4)
    _tree_line(canvas, waterline + 0.5, mix(near, far, 0.15), 9)
    canvas.mirror(waterline, near, 0.28)
    for _ in range(16):
        y = waterline + (canvas.height - waterline) * canvas.random.random() ** 1.4
        x, reach = canvas.random.uniform(5, 95), canvas.random.uniform(3, 12)
        canvas.stroke([(x - reach, y), (x + reach, y)], 0.28, lighter(mix(below, near, 0.35), 0.15))
    if canvas.random.random() < 0.5:
        _canoe(canvas, (canvas.random.uniform(30, 70), canvas.height * 0.78))


def forest(canvas: Canvas) -> None:
    """Rows of pines fading into mist."""
    mist, tree = canvas.random.choice(
        (
            colours("e9efe6 1f3d36"),
            colours("f3e3cd 3b2f2f"),
            colours("dfe9ee 1d3444"),
            colours("f0dfc9 2f4030"),
        )
    )
    canvas.backdrop(lighter(mist, 0.4), mist)
    _sun(canvas, (canvas.random.uniform(20, 80), 26), lighter(mist, 0.5))
    rows = 5
    for row in range(rows):
        share = (row + 1) / rows
        foot = canvas.height * (0.5 + 0.14 * row)
        tone = mix(mist, tree, 0.15 + 0.85 * share**1.5)
        _tree_line(canvas, foot, tone, 12 + 26 * share)
        canvas.gradient((0, foot - 0.4, 100, canvas.height), tone, tone)
        canvas.mist(foot - 18 * share, foot + 4, mist, 0.5 * (1 - share))


def night(canvas: Canvas) -> None:
    """Stars and northern lights over a lit tent."""
    above, below, light = canvas.random.choice(
        (colours("0d1b3d 2e4a7a 7df0c4"), colours("1a1037 4a3a7a f09ad0"), colours("071c2c 1f5063 a8f0a0"))
    )
    canvas.backdrop(above, below)
    for _ in range(150):
        spot = (canvas.random.uniform(0, 100), canvas.random.uniform(0, canvas.height * 0.75))
        canvas.disc(
            spot,
            canvas.random.choice((0.15, 0.2, 0.25, 0.45)),
            lighter(below, canvas.random.uniform(0.5, 0.95)),
        )
    for level, radius in ((0.22, 9), (0.34, 14)):
        for spot in ridge(canvas.random, canvas.height * level, 7, steps=30):
            canvas.glow(spot, radius * canvas.random.uniform(0.8, 1.3), light, 0.14)
    _range(canvas, ridge(canvas.random, canvas.height * 0.7, 9), darker(below, 0.45), darker(above, 0.2))
    _range(canvas, ridge(canvas.random, canvas.height * 0.84, 3), darker(above, 0.4), darker(above, 0.65))
    _tree_line(canvas, canvas.height * 0.88, darker(above, 0.6), 14, chance=0.6)
    _tent(canvas, (canvas.random.uniform(30, 70), canvas.height * 0.93))


def sea(canvas: Canvas) -> None:
    """The sun going down behind the sea, a sail before it."""
    above, below, water = canvas.random.choice(
        (
            colours("35457c f7a072 3c5a8a"),
            colours("f2b5a7 fdeccb 6fa3b0"),
            colours("5b3a6e f58f7c 4a3a70"),
            colours("7cc0d8 fdf3dc 2f7f93"),
        )
    )
    horizon = canvas.height * 0.56
    canvas.gradient((0, 0, 100, horizon), above, below)
    sun = (canvas.random.uniform(30, 70), horizon - canvas.random.uniform(3, 10))
    canvas.glow(sun, 34, lighter(below, 0.5), 0.7)
    canvas.disc(sun, 9, lighter(below, 0.65))
    for _ in range(4):
        x, y = canvas.random.uniform(0, 100), canvas.random.uniform(8, horizon * 0.6)
        _cloud(canvas, (x, y), lighter(mix(above, below, y / horizon), 0.25))
    canvas.gradient((0, horizon, 100, canvas.height), mix(water, below, 0.45), darker(water, 0.25))
    for step in range(26):
        y = horizon + 1 + (canvas.height - horizon) * (step / 26) ** 1.3
        reach = canvas.random.uniform(1.5, 4) * (1 + step / 7)
        x = sun[0] + canvas.random.uniform(-1, 1) * (2 + step * 0.6)
        canvas.stroke([(x - reach, y), (x + reach, y)], 0.25 + step * 0.02, lighter(below, 0.45))
    _sail(canvas, (100 - sun[0] + canvas.random.uniform(-8, 8), horizon + 2))


def wheat(canvas: Canvas) -> None:
    """A field of ears before a low sun."""
    above, below, field = canvas.random.choice(
        (colours("f9dcae fff3d9 d9a441"), colours("a9cfe4 f8efd8 e0b252"), colours("f2a97e fde3bb c98a35"))
    )
    horizon = canvas.height * 0.5
    canvas.gradient((0, 0, 100, horizon + 4), above, below)
    _sun(canvas, (canvas.random.uniform(25, 75), horizon - 12), lighter(below, 0.3))
    _range(
        canvas,
        ridge(canvas.random, horizon - 1, 2.4),
        mix(field, colour("6d8a5a"), 0.6),
        mix(field, colour("5a7a4c"), 0.5),
    )
    canvas.gradient((0, horizon + 3, 100, canvas.height), lighter(field, 0.25), darker(field, 0.25))
    ears = 70
    for place in range(ears):
        share = (place + 1) / ears
        foot = (canvas.random.uniform(-4, 104), horizon + 12 + (canvas.height - horizon + 8) * share)
        tone = mix(lighter(field, 0.35), darker(field, 0.18), share * canvas.random.uniform(0.75, 1))
        _ear(canvas, foot, 15 + 34 * share, tone)


def trail(canvas: Canvas) -> None:
    """A path winding through hills towards the sun."""
    above, below, far, near = canvas.random.choice(_DAYS)
    grass = canvas.random.choice(colours("7d9a5b a3a85e 5f8f76 b48b52"))
    canvas.backdrop(above, below)
    _sun(canvas, (canvas.random.uniform(30, 70), canvas.height * 0.28), below)
    _range(canvas, ridge(canvas.random, canvas.height * 0.5, 8), lighter(far, 0.1), far)
    canvas.mist(canvas.height * 0.42, canvas.height * 0.56, below, 0.45)
    _range(
        canvas, ridge(canvas.random, canvas.height * 0.56, 3), mix(grass, far, 0.45), mix(grass, near, 0.3)
    )
    meadow = ridge(canvas.random, canvas.height * 0.64, 2)
    _range(canvas, meadow, lighter(grass, 0.15), darker(grass, 0.35))
    _path(canvas, canvas.height * 0.645, lighter(mix(grass, colour("f3dfb8"), 0.75), 0.1))
    for _ in range(60):
        spot = (canvas.random.uniform(0, 100), canvas.random.uniform(canvas.height * 0.72, canvas.height))
        canvas.disc(
            spot, canvas.random.uniform(0.3, 0.7), canvas.random.choice(colours("fff3d6 f2b8a0 f6dd7c"))
        )
    for x in (canvas.random.uniform(2, 20), canvas.random.uniform(80, 98)):
        _pine(canvas, (x, canvas.height * 0.84), canvas.random.uniform(26, 38), darker(near, 0.05))


SCENES: dict[str, Scene] = {
    "forest": forest,
    "lake": lake,
    "mountains": mountains,
    "night": night,
    "sea": sea,
    "trail": trail,
    "wheat": wheat,
}


def _sun(canvas: Canvas, centre: Point, light: Colour) -> None:
    canvas.glow(centre, 30, lighter(light, 0.5), 0.75)
    canvas.disc(centre, canvas.random.uniform(5, 8), lighter(light, 0.7))


def _range(canvas: Canvas, skyline: list[Point], top: Colour, bottom: Colour) -> None:
    canvas.shaded([(0, canvas.height), *skyline, (100, canvas.height)], top, bottom)


def _snow_peaks(canvas: Canvas, foot: float, rock: Colour, haze: Colour) -> None:
    """Two or three pointed mountains with a lit and a shaded side, and snow that ends in teeth."""
    for x in canvas.random.sample((18, 40, 62, 84), canvas.random.choice((2, 3))):
        rise, reach = canvas.random.uniform(26, 40), canvas.random.uniform(26, 34)
        peak = (x + canvas.random.uniform(-4, 4), foot - rise)
        tone = mix(rock, haze, 0.25)
        canvas.shaded(
            [peak, (peak[0] + reach, foot + 8), (peak[0] - reach, foot + 8)], tone, mix(tone, haze, 0.4)
        )
        crease = [
            peak,
            (peak[0] + 3, foot - rise * 0.55),
            (peak[0] - 2, foot - rise * 0.2),
            (peak[0] + 4, foot + 8),
        ]
        canvas.shaded([*crease, (peak[0] + reach, foot + 8)], darker(tone, 0.18), mix(tone, haze, 0.25))
        _snow(canvas, peak, reach / (rise + 8))


def _snow(canvas: Canvas, peak: Point, slope: float) -> None:
    x, y = peak
    depth = 10
    edge = [
        (x - slope * depth, y + depth),
        (x - slope * depth * 0.55, y + depth * 0.7),
        (x - slope * depth * 0.2, y + depth * 1.15),
        (x + slope * depth * 0.15, y + depth * 0.75),
        (x + slope * depth * 0.55, y + depth * 1.1),
        (x + slope * depth, y + depth),
    ]
    canvas.polygon([peak, *edge], colour("f6f3f0"))
    canvas.polygon([peak, (x + 1, y + depth * 0.9), *edge[3:]], colour("d9dbe6"))


def _tree_line(canvas: Canvas, foot: float, tone: Colour, size: float, chance: float = 1) -> None:
    x = -3.0
    while x < 104:
        if canvas.random.random() < chance:
            _pine(
                canvas, (x, foot + canvas.random.uniform(0, 2)), size * canvas.random.uniform(0.6, 1.15), tone
            )
        x += size * canvas.random.uniform(0.16, 0.34)


def _pine(canvas: Canvas, foot: Point, size: float, tone: Colour) -> None:
    x, y = foot
    canvas.polygon([(x - size * 0.03, y), (x + size * 0.03, y), (x, y - size)], tone)
    for tier in range(5):
        lower = y - size * (0.08 + 0.17 * tier)
        reach = size * 0.22 * (1 - tier / 5.6)
        canvas.polygon([(x - reach, lower), (x + reach, lower), (x, lower - size * 0.3)], tone)


def _canoe(canvas: Canvas, centre: Point) -> None:
    x, y = centre
    hull = canvas.random.choice(colours("c9503f e0a33f 8a3b2e"))
    canvas.oval((x, y + 2), 12, 1, darker(hull, 0.6))
    canvas.polygon(
        [
            (x - 12, y - 2.4),
            (x - 9, y + 1.6),
            (x + 9, y + 1.6),
            (x + 12, y - 2.4),
            (x + 8, y - 0.6),
            (x - 8, y - 0.6),
        ],
        hull,
    )
    canvas.polygon([(x - 1.6, y - 0.4), (x + 2, y - 0.4), (x + 1.4, y - 6), (x - 1, y - 6)], colour("f2d7a0"))
    canvas.disc((x + 0.2, y - 7.3), 1.5, colour("4a3328"))
    canvas.stroke([(x + 4.5, y - 7), (x - 4.5, y + 2)], 0.5, colour("5a3d28"))


def _tent(canvas: Canvas, foot: Point) -> None:
    x, y = foot
    canvas.glow((x, y - 5), 22, colour("ffb55a"), 0.75)
    canvas.shaded([(x, y - 14), (x + 14, y + 1), (x - 14, y + 1)], colour("ffd98a"), colour("f08a3c"))
    canvas.polygon([(x, y - 14), (x + 14, y + 1), (x + 5, y + 1)], colour("c9622f"))
    canvas.polygon([(x - 1, y - 9), (x + 3.4, y + 1), (x - 4.6, y + 1)], colour("6a2f22"))


def _cloud(canvas: Canvas, centre: Point, tone: Colour) -> None:
    for _ in range(3):
        x = centre[0] + canvas.random.uniform(-9, 9)
        canvas.oval((x, centre[1] + canvas.random.uniform(-1, 1)), canvas.random.uniform(7, 14), 1.1, tone)


def _sail(canvas: Canvas, foot: Point) -> None:
    x, y = foot
    canvas.polygon([(x - 5, y), (x + 6, y), (x + 4, y + 2.4), (x - 3.6, y + 2.4)], colour("4a2f35"))
    canvas.polygon([(x, y - 0.6), (x, y - 15), (x + 6.6, y - 0.6)], colour("fff6ea"))
    canvas.polygon([(x - 0.8, y - 0.6), (x - 0.8, y - 12), (x - 5, y - 0.6)], colour("eed9cf"))


def _ear(canvas: Canvas, foot: Point, size: float, tone: Colour) -> None:
    """A stalk with two rows of grains and their long beards, leaning with the wind."""
    x, y = foot
    lean = canvas.random.uniform(0.02, 0.3) * size
    stalk = [(x + lean * share**2, y - size * share) for share in (step / 12 for step in range(13))]
    canvas.stroke(stalk, size * 0.012 + 0.15, darker(tone, 0.12))
    grain = size * 0.085
    for spot in reversed(stalk[-5:]):
        for side in (-1, 1):
            tip = (spot[0] + side * grain * 0.75, spot[1] - grain * 1.15)
            beard = (spot[0] + side * grain * 1.5, spot[1] - grain * 2.8)
            canvas.stroke([spot, beard], size * 0.004, lighter(tone, 0.25))
            canvas.polygon(
                leaf_outline(spot, tip, grain * 0.75), darker(tone, 0.1) if side < 0 else lighter(tone, 0.18)
            )


def _path(canvas: Canvas, horizon: float, tone: Colour) -> None:
    """Two edges that swing together and drift apart as they come nearer."""
    bend, phase = canvas.random.choice((-16, 16)), canvas.random.uniform(-1.8, -0.6)
    left, right = [], []
    for step in range(33):
        share = step / 32
        middle = 50 + bend * (1 - share) * (share * 3.4 + phase)
        width = 0.5 + 15 * share**1.7
        y = horizon + (canvas.height - horizon) * share
        left.append((middle - width, y))
        right.append((middle + width, y))
    canvas.shaded(left + right[::-1], tone, darker(tone, 0.12))
