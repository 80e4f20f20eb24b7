"""Pictures drawn from a seed: calm flat scenes that look like a feed, the same bytes for the same name."""

from __future__ import annotations

import colorsys
import io
import random
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

SIZE = 640
Colour = tuple[int, int, int]


@lru_cache(maxsize=512)
def jpeg(seed: str) -> bytes:
    """A 640×640 JPEG; the word before the first dash of a seed sets its mood, the rest its scene."""
    chance = random.Random(seed)
    warm = not seed.startswith("northern")
    scene = chance.choice((_loaf, _cup, _bun, _table) if warm else (_mountains, _lake, _forest))
    hue = chance.uniform(0.03, 0.13) if warm else chance.uniform(0.45, 0.66)
    image = scene(chance, hue)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


def _shade(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, max(0, min(1, saturation)), max(0, min(1, value)))
    return int(red * 255), int(green * 255), int(blue * 255)


def _sky(top: Colour, bottom: Colour) -> Image.Image:
    column = Image.new("RGB", (1, SIZE))
    for y in range(SIZE):
        share = y / SIZE
        column.putpixel((0, y), tuple(int(a + (b - a) * share) for a, b in zip(top, bottom, strict=True)))
    return column.resize((SIZE, SIZE))


def _ground(chance: random.Random, hue: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A table under soft light, for things from the oven."""
    dark = chance.random() < 0.35
    value = 0.35 if dark else 0.92
    image = _sky(_shade(hue, 0.18, value), _shade(hue + 0.02, 0.38, value * 0.86))
    draw = ImageDraw.Draw(image)
    horizon = chance.randint(330, 420)
    draw.rectangle((0, horizon, SIZE, SIZE), fill=_shade(hue - 0.01, 0.45, value * 0.72))
    for board in range(4):
        y = horizon + 20 + board * 62
        draw.line((0, y, SIZE, y + chance.randint(-6, 6)), fill=_shade(hue, 0.5, value * 0.64), width=3)
    return image, draw


def _shadow(image: Image.Image, box: tuple[int, int, int, int]) -> None:
    veil = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(veil).ellipse(box, fill=(30, 15, 5, 120))
    image.paste(
        Image.alpha_composite(image.convert("RGBA"), veil.filter(ImageFilter.GaussianBlur(16))).convert("RGB")
    )


def _loaf(chance: random.Random, hue: float) -> Image.Image:
    image, _ = _ground(chance, hue)
    left, top = chance.randint(80, 140), chance.randint(200, 260)
    right, bottom = SIZE - chance.randint(80, 140), chance.randint(430, 480)
    _shadow(image, (left - 10, bottom - 70, right + 30, bottom + 40))
    draw = ImageDraw.Draw(image)
    crust = _shade(0.075, 0.72, chance.uniform(0.55, 0.75))
    draw.rounded_rectangle((left, top, right, bottom), radius=120, fill=crust)
    draw.rounded_rectangle(
        (left + 18, top + 14, right - 26, bottom - 70), radius=100, fill=_shade(0.085, 0.6, 0.82)
    )
    for cut in range(3):
        x = left + 90 + cut * (right - left - 160) // 3
        draw.line((x, top + 40, x + 60, bottom - 90), fill=_shade(0.1, 0.25, 0.95), width=14)
    return image


def _bun(chance: random.Random, hue: float) -> Image.Image:
    image, _ = _ground(chance, hue)
    for _ in range(chance.randint(3, 5)):
        x, y, radius = chance.randint(90, 480), chance.randint(260, 460), chance.randint(62, 100)
        _shadow(image, (x - radius, y + radius // 3, x + radius + 30, y + radius + 24))
        draw = ImageDraw.Draw(image)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_shade(0.07, 0.68, 0.66))
        for turn in range(radius - 14, 10, -22):
            tone = _shade(0.085, 0.5, 0.86 if (turn // 22) % 2 else 0.7)
            draw.arc(
                (x - turn, y - turn, x + turn, y + turn), chance.randint(0, 90), 330, fill=tone, width=11
            )
    return image


def _cup(chance: random.Random, hue: float) -> Image.Image:
    image, _ = _ground(chance, hue)
    x, y, radius = chance.randint(270, 370), chance.randint(330, 400), chance.randint(110, 140)
    _shadow(image, (x - radius - 40, y - radius // 2, x + radius + 80, y + radius + 60))
    draw = ImageDraw.Draw(image)
    glaze = _shade(chance.random(), 0.22, 0.9)
    saucer = radius + 60
    draw.ellipse((x - saucer, y - saucer, x + saucer, y + saucer), fill=_shade(0.1, 0.06, 0.94))
    handle = (x + radius - 30, y - 40, x + radius + 52, y + 40)
    draw.ellipse(handle, outline=glaze, width=20)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=glaze)
    inner = radius - 18
    draw.ellipse((x - inner, y - inner, x + inner, y + inner), fill=_shade(0.065, 0.75, 0.38))
    for leaf in range(4):
        size = inner - 22 - leaf * 20
        draw.arc(
            (x - size, y - size + leaf * 8, x + size, y + size + leaf * 8),
            20,
            160,
            fill=_shade(0.09, 0.3, 0.92),
            width=10,
        )
    return image


def _table(chance: random.Random, hue: float) -> Image.Image:
    image, draw = _ground(chance, hue)
    for _ in range(chance.randint(5, 8)):
        x, y = chance.randint(60, 560), chance.randint(180, 540)
        length, width = chance.randint(120, 190), chance.randint(34, 46)
        tone = _shade(0.075, 0.66, chance.uniform(0.6, 0.82))
        draw.rounded_rectangle(
            (x - length // 2, y - width, x + length // 2, y + width), radius=width, fill=tone
        )
        for notch in range(3):
            start = x - length // 3 + notch * length // 4
            draw.line(
                (start, y - width + 12, start + 18, y + width - 24), fill=_shade(0.1, 0.3, 0.95), width=7
            )
    return image.filter(ImageFilter.SMOOTH)


def _mountains(chance: random.Random, hue: float) -> Image.Image:
    image = _sky(_shade(hue + 0.05, 0.35, 0.95), _shade(chance.choice((0.08, 0.95, hue)), 0.28, 0.98))
    draw = ImageDraw.Draw(image)
    sun_x, sun_y = chance.randint(100, 540), chance.randint(90, 210)
    draw.ellipse((sun_x - 46, sun_y - 46, sun_x + 46, sun_y + 46), fill=_shade(0.12, 0.25, 1.0))
    for layer in range(4):
        base = 250 + layer * 95
        ridge = (
            [(0, SIZE)]
            + [(x, base + chance.randint(-70, 50)) for x in range(0, SIZE + 81, 80)]
            + [(SIZE, SIZE)]
        )
        draw.polygon(ridge, fill=_shade(hue, 0.25 + layer * 0.15, 0.78 - layer * 0.16))
    return image


def _lake(chance: random.Random, hue: float) -> Image.Image:
    image = _mountains(chance, hue)
    upper = image.crop((0, 0, SIZE, 400))
    water = (
        upper.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        .resize((SIZE, 240))
        .filter(ImageFilter.GaussianBlur(5))
    )
    tint = Image.new("RGB", water.size, _shade(hue, 0.5, 0.55))
    image.paste(Image.blend(water, tint, 0.35), (0, 400))
    return image


def _forest(chance: random.Random, hue: float) -> Image.Image:
    image = _sky(_shade(hue, 0.12, 0.96), _shade(0.4, 0.3, 0.8))
    draw = ImageDraw.Draw(image)
    for row in range(4):
        tone = _shade(0.38 + chance.uniform(-0.03, 0.05), 0.35 + row * 0.12, 0.66 - row * 0.13)
        for _ in range(10):
            x, foot, height = chance.randint(-20, 660), 330 + row * 105, chance.randint(150, 260)
            for tier in range(3):
                top = foot - height + tier * height // 4
                half = 26 + tier * 20
                draw.polygon(
                    ((x, top), (x - half, top + height // 2), (x + half, top + height // 2)), fill=tone
                )
        draw.rectangle((0, 300 + row * 105, SIZE, SIZE), fill=tone)
    return image
