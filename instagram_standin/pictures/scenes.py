"""From a seed to a picture.

A seed is `<scene>-<anything>`; where no scene has that name, the seed's hash chooses one, so that every seed has a
picture. Knows nothing of posts, links or HTTP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from random import Random

from PIL import Image

from instagram_standin.pictures import kitchen, nature, studio
from instagram_standin.pictures.canvas import Canvas, Scene

SQUARE = (640, 640)
PORTRAIT = (640, 800)
PORTRAIT_SUFFIX = "-tall"

SCENES: Mapping[str, Scene] = {**kitchen.SCENES, **nature.SCENES, **studio.SCENES}


def draw(seed: str) -> Image.Image:
    """The picture of `seed`, 640 pixels wide; portrait when the seed ends in `-tall`."""
    random = Random(int.from_bytes(hashlib.sha256(seed.encode()).digest()))
    canvas = Canvas(PORTRAIT if seed.endswith(PORTRAIT_SUFFIX) else SQUARE, random)
    paint = SCENES.get(seed.partition("-")[0]) or SCENES[random.choice(sorted(SCENES))]
    paint(canvas)
    return canvas.finish()
