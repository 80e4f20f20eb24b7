"""The demo world: accounts with their posts, people with their Pages, and hashtags. Content only.

`acme.bakery` has one of everything; `northern.trails` has more posts than fit on a page; `tiny.studio` fewer than fit
in a row; `quiet.account` none; `jane.private` is a person, whom no API shows. Captions use the tags below.
"""

from __future__ import annotations

from datetime import datetime

from instagram_standin.accounts import FacebookPage, Person, Profile, settled
from instagram_standin.hashtags import Tag
from instagram_standin.media import Row, Sketch, picture_path
from instagram_standin.tokens import number_from

TAGS = (
    Tag("sourdough", "bread wheat baguettes shop", minutes_between=41),
    Tag("baking", "cake croissants cookies tart", minutes_between=57),
    Tag("coffee", "coffee croissants plant", minutes_between=67),
    Tag("hiking", "mountains trail forest lake sea night", minutes_between=23, top_count=60),
    Tag("stoneware", "vases shapes arches"),
    Tag("quietmoments"),
    Tag("restricted", is_blocked=True),
)

LOAF = "A scored sourdough loaf on a round wooden board, dusted with flour"
BAKERY = (
    Sketch(
        "bread", "Sourdough Monday. 36 hours of patience, 40 minutes of oven. 🍞 #sourdough", alt_text=LOAF
    ),
    Sketch("coffee", "First cup of the day, poured by Mina ☕️ #coffee", "reel"),
    Sketch("shapes cake croissants cookies", "The autumn market, all of it → swipe. #baking"),
    Sketch("croissants", "Twenty-seven layers. We counted. 🥐", alt_text="Three croissants on a white plate"),
    Sketch("shop", "Open from 7. Come in, it is warm in here.", alt_text="The shop with its striped awning"),
    Sketch("cookies", "Batch no. 3 just left the oven 🍪 #baking", "reel"),
    Sketch("wheat", "Our wheat grows forty kilometres from here. Danke an Familie Köhler! 🌾 #sourdough"),
    Sketch("cake", None, alt_text="A layered cake with cherries on a stand"),
    Sketch("baguettes", "Trois baguettes, s’il vous plaît. #sourdough"),
    Sketch("plant", "Set to music from the café radio 🎶", "muted", alt_text="A plant on the window sill"),
    Sketch("vases film:coffee arches", "New jugs by our friends at Tiny Studio. #stoneware"),
    Sketch("tart", "Apricots, at last. Until they are gone. #baking", alt_text="A round apricot tart"),
    Sketch("bread", "Sliced, salted, buttered. Nothing else.", "reel", alt_text="A loaf on a board"),
    Sketch("cake", "For Olga, who turned 90 today 🎂🎉\n\nThree layers.", hides_likes=True),
    Sketch("coffee", "الصباح يبدأ بفنجان قهوة ☕"),
    Sketch("wheat", "Field trip! Same grain, before it meets us. #sourdough", "video"),
    Sketch("croissants", "パンの朝。おはようございます 🥐☀️"),
    Sketch("wheat film:bread baguettes", "Mix, fold, wait, shape, wait again, bake. #sourdough"),
    Sketch("shop", "Hello! We are Acme Bakery 👋 Bread since 1962, here since today."),
)
STUDIO = (
    Sketch("vases", "Glaze test no. 12. Keeper. 🏺 #stoneware", alt_text="Three glazed vases on a shelf"),
    Sketch("shapes arches", "Poster series “Quarter Turns”, both"),
    Sketch("arches", "Hello, world."),
)

TRAIL_POSTS = 130
OUTDOORS = ("mountains", "lake", "forest", "trail", "night", "sea", "wheat", "coffee")
PLACES = ("Kebnekaise", "Lofoten", "the Pyrenees", "Þórsmörk", "the Tatras", "Snæfellsnes", "Glen Coe")
WORDS = (
    "Day {day} in {place}. The fog lifted just in time. 🏔️",
    "{place}, 5:40 a.m. Worth every alarm clock. #hiking",
    "No signal, no plans. {place}, day {day}.",
    "The last light over {place} 🌅",
    "{day} kilometres today. My knees have opinions. #hiking",
    "Вид с перевала, {place} ✨",
)


def _trail(number: int) -> Sketch:
    """The post of that number, counted from the newest."""
    scene, words = OUTDOORS[number % len(OUTDOORS)], WORDS[number_from(f"trail:{number}", len(WORDS))]
    caption = words.format(place=PLACES[number % len(PLACES)], day=1 + number_from(f"day:{number}", 24))
    if number % 9 == 2:
        return Sketch(f"{scene} trail sea", caption)
    return Sketch(scene, caption, "reel" if number % 7 == 3 else "image")


def _details(name: str, biography: str, followers: int, picture: str, **others: str) -> Row:
    path = picture_path(f"avatar_{picture}", "profile")
    counts = {"followers_count": followers, "follows_count": followers // 40}
    return {"name": name, "biography": biography, **counts, "profile_picture_url": path, **others}


def profiles(newest: datetime) -> list[Profile]:
    """All accounts; no post is younger than `newest`."""
    site = "https://acme-bakery.example/"
    bakery = _details("Acme Bakery", "Bread since 1962. 🍞\nTue–Sun, 7–14", 8_412, "sun", website=site)
    trails = _details("Northern Trails", "Slow walks, long days. 🏔️", 41_930, "peak")
    studio = _details("Tiny Studio", "Two hands, one kiln.", 318, "leaf", account_type="MEDIA_CREATOR")
    walks = [_trail(number) for number in range(TRAIL_POSTS)]
    return [
        settled("acme.bakery", BAKERY, bakery, newest=newest, account_id="17841400000000777"),
        settled("northern.trails", walks, trails, newest=newest, account_id="17841400000000888"),
        settled("tiny.studio", STUDIO, studio, newest=newest, account_id="17841400000000999"),
        settled("quiet.account", (), _details("Quiet", "Coming soon.", 12, "leaf"), newest=newest),
        settled("jane.private", STUDIO[:1], {"name": "Jane"}, newest=newest, is_professional=False),
    ]


def load_profile(username: str, newest: datetime) -> Profile:
    """A shop of twelve posts for tests under load."""
    scenes = ("coffee", "vases", "shapes film:bread", "cake", "plant", "bread", *OUTDOORS[:6])
    sketches = [Sketch(scene, f"Post {n} of {username}") for n, scene in enumerate(scenes)]
    sketches[3] = Sketch("cake", "In motion", "reel")
    return settled(username, sketches, _details(username, "Made for load.", 100, "leaf"), newest=newest)


BAKERY_PAGE = FacebookPage("134800000000001", "Acme Bakery", "acme.bakery", "Bakery")
TRAILS_PAGE = FacebookPage("134800000000002", "Northern Trails", "northern.trails")
STUDIO_PAGE = FacebookPage("134800000000003", "Tiny Studio", "tiny.studio")
PEOPLE = (
    Person("robin.baker", "102000000000001", "Robin Baker", (BAKERY_PAGE, TRAILS_PAGE)),
    Person("sam.potter", "102000000000002", "Sam Potter", (STUDIO_PAGE,)),
    Person("noor.page", "102000000000003", "Noor Page", (FacebookPage("134800000000004", "Village Market"),)),
    Person("kim.nopage", "102000000000004", "Kim Nopage"),
)
