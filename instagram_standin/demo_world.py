"""Who lives in the demo world and what they have to say. Content only: no dates, no addresses.

`acme.bakery` is the shop of the demo pages and has one of everything; `northern.trails` has more posts than fit on a
page; `tiny.studio` fewer than fit in a row; `quiet.account` none; `jane.private` is a person, whom no API shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from instagram_standin.posts import FILM, Kind, Row, Sketch, number_from, picture_path

LOAD_PREFIX = "load."


@dataclass(frozen=True, slots=True)
class Account:
    """`sketches`: newest first, `hours_between` apart. `id`: made from the name when None."""

    username: str
    details: Row = field(default_factory=dict)
    sketches: Sequence[Sketch] = ()
    hours_between: int = 30
    is_professional: bool = True
    id: str | None = None


def _details(
    username: str, name: str, biography: str, followers: int, follows: int, website: str | None = None
) -> Row:
    details: dict[str, object] = {
        "name": name,
        "biography": biography,
        "followers_count": followers,
        "follows_count": follows,
        "profile_picture_url": picture_path(f"avatar-{username}"),
    }
    if website is not None:
        details["website"] = website
    return details


BAKERY = (
    Sketch(
        "bread",
        "Sourdough Monday. 36 hours of patience, 40 minutes of oven. 🍞 #sourdough #bread",
        alt_text="A scored sourdough loaf on a round wooden board, dusted with flour",
    ),
    Sketch("coffee", "First cup of the day, poured by Mina ☕️", Kind.REEL),
    Sketch(
        caption="The autumn counter, one by one → swipe. Which one is yours?",
        kind=Kind.ALBUM,
        children=("tart", "cake", "croissants", "cookies"),
        alt_text="Four pastries from the autumn counter",
    ),
    Sketch("croissants", "Twenty-seven layers. We counted. 🥐"),
    Sketch(
        "shop",
        "Open from 7. Come in, it is warm in here.",
        alt_text="The shop with its striped awning and lit window",
    ),
    Sketch("cookies", "Batch no. 3 just left the oven 🍪 the chocolate is still moving", Kind.REEL),
    Sketch(
        "wheat",
        "Our wheat grows forty kilometres from here. Danke an Familie Köhler für die schöne Ernte! 🌾",
    ),
    Sketch("cake", None),
    Sketch("baguettes", "Trois baguettes, s’il vous plaît. #baguette #paris"),
    Sketch(
        "tart",
        "Set to music from the café radio 🎶",
        Kind.MUTED,
        alt_text="A berry tart turning on its plate",
    ),
    Sketch(
        caption="How a loaf is made: mix, fold, wait, shape, wait again, bake.",
        kind=Kind.ALBUM,
        children=("wheat", f"{FILM}bread", "bread", "baguettes"),
    ),
    Sketch(
        "tart",
        "Blueberries, at last. Until they are gone.",
        alt_text="A round tart covered in berries, seen from above",
    ),
    Sketch("coffee", "Flat white + Zimtschnecke = ❤️"),
    Sketch(
        "bread",
        "Sliced, salted, buttered. Nothing else.",
        Kind.REEL,
        alt_text="A loaf being turned on a board",
    ),
    Sketch(
        "cake",
        "For Olga, who turned 90 today 🎂🎉\n\nThree layers, one for every thirty years.",
        hides_likes=True,
    ),
    Sketch("croissants", "パンの朝。おはようございます 🥐☀️"),
    Sketch("shop", "A quiet minute before the doors open."),
    Sketch("cookies", "Sea salt makes the difference. Recipe in our newsletter → acme-bakery.example"),
    Sketch("plant", "New neighbour on the window sill 🪴 Name suggestions, please."),
    Sketch(
        caption="Sunday table at the market. Thank you all for coming out in the rain!",
        kind=Kind.ALBUM,
        children=("baguettes", "tart", "coffee"),
    ),
    Sketch("baguettes", "Friday. Baguettes. Every hour, on the hour."),
    Sketch("coffee", "الصباح يبدأ بفنجان قهوة ☕"),
    Sketch("bread", "Rye, 70 %. Dark, dense, honest.", alt_text="A dark rye loaf"),
    Sketch("tart", "Berry season is short. So is this caption."),
    Sketch("wheat", "Field trip! Same grain, before it meets us.", Kind.VIDEO),
    Sketch("cake", "Carrot cake is back, and it brought friends 🥕🥕🥕"),
    Sketch("cookies", "Thirty-six hours of resting dough. Worth it, every time. #cookies"),
    Sketch("croissants", "Un croissant, un café, la vie est belle."),
    Sketch("shop", "Painted the awning. Same bakers, brighter stripes.", Kind.REEL),
    Sketch("bread", "Walnut & honey. Weekend only 🍯"),
    Sketch("coffee", "Beans by our friends around the corner. Round, nutty, a little cherry."),
    Sketch(caption="From the recipe book of 1962", kind=Kind.ALBUM, children=("cake", "tart")),
    Sketch("vases", "Flowers in a bread-coloured vase. Yes, we have a favourite colour."),
    Sketch("baguettes", "The long and the short of it."),
    Sketch(
        "cake",
        "Wedding season, no. 14 💍 Congratulations, Ana & Tomás!",
        alt_text="A three-layered cake on a white stand",
    ),
    Sketch("cookies", None),
    Sketch("tart", "Tarte aux myrtilles — à partager, ou pas 😇"),
    Sketch("bread", "Day one of the new oven. It learns fast.", Kind.REEL),
    Sketch("croissants", "Butter, flour, time. Repeat."),
    Sketch("shop", "Hello! We are Acme Bakery 👋 Bread since 1962, here since today."),
)

STUDIO = (
    Sketch("vases", "Glaze test no. 12. Keeper. 🏺", alt_text="Three glazed vases on a shelf"),
    Sketch(
        caption="Poster series “Quarter Turns”, all three",
        kind=Kind.ALBUM,
        children=("shapes", "arches", "shapes"),
    ),
    Sketch("arches", "Hello, world."),
)

_TRAIL_SCENES = (
    "mountains",
    "lake",
    "forest",
    "trail",
    "night",
    "sea",
    "mountains",
    "forest",
    "lake",
    "trail",
    "wheat",
)
_TRAIL_PLACES = (
    "Kebnekaise",
    "Lofoten",
    "Rondane",
    "the Pyrenees",
    "Þórsmörk",
    "Hardangervidda",
    "the Tatras",
    "Durmitor",
    "Snæfellsnes",
    "the Dolomites",
    "Sarek",
    "Glen Coe",
    "Jotunheimen",
)
_TRAIL_WORDS = (
    "Day {day} in {place}. The fog lifted just in time. 🏔️",
    "{place}, 5:40 a.m. Worth every alarm clock. #sunrise #hiking",
    "Wet boots, warm tea, {place}.",
    "Somewhere above the tree line in {place} 🌲",
    "No signal, no plans. {place}, day {day}.",
    "The last light over {place} 🌅",
    "We came for the view and stayed for the silence. ({place})",
    "{day} kilometres today. My knees have opinions. #trailrunning",
    "Вид с перевала, {place} ✨",
    "Leave nothing, take nothing, remember {place}.",
)
TRAIL_POSTS = 130

_LOAD_SCENES = (
    "mountains",
    "coffee",
    "shapes",
    "plant",
    "sea",
    "cake",
    "lake",
    "vases",
    "bread",
    "night",
    "arches",
    "tart",
)


def _trail_sketch(number: int) -> Sketch:
    """The post of that number, counted from the newest."""
    scene = _TRAIL_SCENES[number % len(_TRAIL_SCENES)]
    words = _TRAIL_WORDS[number_from(f"trail:{number}", len(_TRAIL_WORDS))]
    caption = words.format(
        place=_TRAIL_PLACES[number * 5 % len(_TRAIL_PLACES)], day=1 + number_from(f"day:{number}", 24)
    )
    if number % 9 == 2:
        return Sketch(caption=caption, kind=Kind.ALBUM, children=(scene, "trail", "forest"))
    if number % 7 == 3:
        return Sketch(scene, caption, Kind.REEL)
    return Sketch(scene, caption)


def load_account(username: str) -> Account:
    """A shop like any other, its posts in an order of its own."""
    shift = number_from(username, len(_LOAD_SCENES))
    scenes = _LOAD_SCENES[shift:] + _LOAD_SCENES[:shift]
    kinds = {3: Kind.REEL, 8: Kind.REEL}
    sketches = [
        Sketch(scene, f"{scene.capitalize()} of the day, from {username}", kinds.get(place, Kind.IMAGE))
        for place, scene in enumerate(scenes)
    ]
    sketches[5] = Sketch(caption="Two at once", kind=Kind.ALBUM, children=(scenes[5], scenes[6]))
    name = f"Shop {username.removeprefix(LOAD_PREFIX)}"
    return Account(username, _details(username, name, "Made for load.", 100 + shift, 10), sketches)


ACCOUNTS = (
    Account(
        "acme.bakery",
        _details(
            "acme.bakery",
            "Acme Bakery",
            "Bread, coffee, and the hours in between. 🍞☕️\nTue–Sun, 7–18",
            8_412,
            240,
            "https://acme-bakery.example/",
        ),
        BAKERY,
        hours_between=33,
        id="17841400000000777",
    ),
    Account(
        "northern.trails",
        _details(
            "northern.trails",
            "Northern Trails",
            "Slow walks, long days. 🏔️",
            41_930,
            511,
            "https://northern-trails.example/",
        ),
        tuple(_trail_sketch(number) for number in range(TRAIL_POSTS)),
        hours_between=46,
        id="17841400000000888",
    ),
    Account(
        "tiny.studio",
        {
            **_details("tiny.studio", "Tiny Studio", "Two hands, one kiln.", 318, 97),
            "account_type": "MEDIA_CREATOR",
        },
        STUDIO,
        hours_between=80,
        id="17841400000000999",
    ),
    Account(
        "quiet.account",
        _details("quiet.account", "Quiet Account", "Coming soon.", 12, 3),
        id="17841400000000666",
    ),
    Account("jane.private", {"name": "Jane"}, (Sketch("plant", "Just for friends"),), is_professional=False),
)
