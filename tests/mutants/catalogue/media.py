"""Copies of pictures: what may be fetched and from where, and who may write and remove files."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LINKS = "paris_integration/providers/file_links.py"
FILES = "paris_integration/providers/files.py"
COPYING = "paris_integration/media/copying.py"
SWEEPING = "paris_integration/media/sweeping.py"
STORAGE = "paris_integration/media/storage.py"
ON_CLIENT = "tests/paris_integration/providers/test_file_client.py"
ON_COPYING = "tests/paris_integration/media/test_copying.py"
ON_STORAGE = "tests/paris_integration/media/test_storage.py"
HOSTILE_LINKS = (f"{ON_CLIENT}::test_hostile_links_are_refused_before_anything_is_looked_up",)
HOSTILE_ANSWERS = (f"{ON_CLIENT}::test_hostile_answers_are_refused_with_a_reason",)

MUTANTS = (
    Mutant(
        "allow-list: a host is matched by its ending",
        LINKS,
        'link.host.endswith(f".{self.host}")',
        "link.host.endswith(self.host)",
        HOSTILE_LINKS,
    ),
    Mutant(
        "allow-list: any host",
        LINKS,
        "if not any(entry.allows(link) for entry in self._entries):",
        "if False:",
        HOSTILE_LINKS,
    ),
    Mutant(
        "allow-list: plain http",
        LINKS,
        'return is_inside and link.scheme == "https" and link.port',
        "return is_inside and link.port",
        (f"{ON_CLIENT}::test_entries_of_the_allow_list",),
    ),
    Mutant(
        "allow-list: any port",
        LINKS,
        ' and link.port == (self.port or DEFAULT_PORTS["https"])',
        "",
        (f"{ON_CLIENT}::test_entries_of_the_allow_list",),
    ),
    Mutant(
        "allow-list: user names in links",
        LINKS,
        "parts = _AUTHORITY.fullmatch(text.lower())",
        'parts = _AUTHORITY.fullmatch(text.lower().rpartition("@")[2])',
        HOSTILE_LINKS,
    ),
    Mutant(
        "allow-list: unusual characters in links",
        LINKS,
        "if len(url) > LENGTH_LIMIT or _UNUSUAL.search(url):",
        "if len(url) > LENGTH_LIMIT:",
        HOSTILE_LINKS,
    ),
    Mutant(
        "allow-list: a redirect leads anywhere",
        LINKS,
        "return self.parse(urljoin(link.url, location))",
        "return _parse(urljoin(link.url, location))",
        (f"{ON_CLIENT}::test_redirects_off_the_list_are_refused",),
    ),
    Mutant(
        "allow-list: redirects without end",
        FILES,
        "for _ in range(MAX_REDIRECTS + 1):",
        "for _ in range(50):",
        (f"{ON_CLIENT}::test_three_redirects_are_followed_and_four_are_not",),
    ),
    Mutant(
        "addresses: private ones are dialled",
        FILES,
        "if not may_connect(self._dns_host, addresses):",
        "if False:",
        (f"{ON_CLIENT}::test_names_of_addresses_that_are_not_public_are_refused",),
    ),
    Mutant(
        "addresses: one public one is enough",
        LINKS,
        "return all(map(is_public, found))",
        "return any(map(is_public, found))",
        (f"{ON_CLIENT}::test_names_of_addresses_that_are_not_public_are_refused",),
    ),
    Mutant(
        "addresses: those embedded in IPv6 count as public",
        LINKS,
        "        if address in _EMBEDS_IPV4:  # NAT64, which networks without IPv4 use for every IPv4 host\n"
        "            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))\n",
        "        if address in _EMBEDS_IPV4:\n            return True\n",
        (f"{ON_CLIENT}::test_names_of_addresses_that_are_not_public_are_refused",),
    ),
    Mutant(
        "files: of any size",
        FILES,
        '            if len(body) > self._max_bytes:\n                raise Unusable("too_large")\n',
        "",
        HOSTILE_ANSWERS,
    ),
    Mutant(
        "files: of any type",
        FILES,
        "    if not is_known:\n",
        "    if False:\n",
        HOSTILE_ANSWERS,
    ),
    Mutant(
        "storage: a name is matched at its start",
        STORAGE,
        "return _NAME.fullmatch(text) is not None",
        "return _NAME.match(text) is not None",
        (f"{ON_STORAGE}::test_nothing_but_a_pictures_name_reaches_the_storage",),
    ),
    Mutant(
        "copying: two workers copy one feed",
        COPYING,
        "if not Feed.objects.filter(is_due(now), pk=feed_id).update(pictures_due_at=claimed_until):",
        "if not Feed.objects.filter(pk=feed_id).update(pictures_due_at=claimed_until):",
        (f"{ON_COPYING}::test_a_feed_is_copied_by_one_worker_at_a_time",),
    ),
    Mutant(
        "copying: two workers write one picture",
        COPYING,
        'if not unfinished.filter(clock.is_free("writing_until", now)).update(writing_until=until):',
        "if not unfinished.update(writing_until=until):",
        (f"{ON_COPYING}::test_a_second_worker_waits_for_the_first_one",),
    ),
    Mutant(
        "copying: a picture that is being removed is used",
        COPYING,
        "if picture is None or picture.is_leaving or not picture.stored_bytes:",
        "if picture is None or not picture.stored_bytes:",
        (f"{ON_COPYING}::test_a_picture_that_is_being_removed_is_not_used",),
    ),
    Mutant(
        "copying: a full workspace copies on",
        COPYING,
        "        if room.is_full(self.row.workspace_id):\n",
        "        if False:\n",
        (f"{ON_COPYING}::test_a_full_workspace_keeps_the_links_of_instagram_and_says_so",),
    ),
    Mutant(
        "sweep: removes pictures that another feed shows",
        SWEEPING,
        "leaving = [row for row in rows if row.pk not in used]",
        "leaving = rows",
        (f"{ON_COPYING}::test_feeds_that_show_the_same_picture_share_its_files",),
    ),
    Mutant(
        "sweep: forgets a picture before its files are removed",
        SWEEPING,
        '            metrics.count_picture_failure(f"storage_{problem.reason}")\n            break\n',
        '            metrics.count_picture_failure(f"storage_{problem.reason}")\n',
        (f"{ON_COPYING}::test_a_picture_stays_listed_until_the_storage_has_removed_it",),
    ),
)
