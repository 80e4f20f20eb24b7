"""Meta's answers: faults, paging, deadlines, sizes, redirects, links; and the token in requests."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

HTTP = "paris_integration/providers/http.py"
FAULTS = "paris_integration/providers/faults.py"
PAGING = "paris_integration/providers/paging.py"
GRAPH = "paris_integration/providers/graph.py"
NORMALIZE = "paris_integration/providers/normalize.py"
ON_HTTP = "tests/paris_integration/providers/test_http.py"
ON_FAULTS = "tests/paris_integration/providers/test_faults.py"
ON_GRAPH = "tests/paris_integration/providers/test_graph.py"
ON_NORMALIZE = "tests/paris_integration/providers/test_normalize.py"

MUTANTS = (
    Mutant(
        "faults: an error under status 200 is data",
        FAULTS,
        "    if envelope is None:\n",
        "    if envelope is None or answer.status == 200:\n",
        (f"{ON_FAULTS}::test_listed_codes_apply_under_any_status",),
    ),
    Mutant(
        "faults: a throttle with status 400 isn't one",
        FAULTS,
        'Fault(RateLimited, (4,), "application',
        'Fault(ProviderError, (4,), "application',
        (f"{ON_FAULTS}::test_listed_codes_apply_under_any_status",),
    ),
    Mutant(
        "faults: the time in the usage header is ignored",
        FAULTS,
        "    if answer.usage.regain_minutes > 0:\n",
        "    if False:\n",
        (f"{ON_GRAPH}::test_a_throttle_under_403_with_its_minutes",),
    ),
    Mutant(
        "faults: every 429 is a plain error",
        FAULTS,
        "    if status == 429:\n        return RateLimited\n",
        "",
        (f"{ON_FAULTS}::test_answers_without_a_listed_code",),
    ),
    Mutant(
        "http: Retry-After without a limit",
        HTTP,
        "return float(min(int(text[:12]), int(RETRY_AFTER_CAP_SECONDS)))",
        "return float(int(text[:12]))",
        (f"{ON_HTTP}::test_retry_after",),
    ),
    Mutant(
        "http: NaN is accepted",
        HTTP,
        ", parse_constant=_refuse_constant), True",
        "), True",
        (f"{ON_HTTP}::test_bodies",),
    ),
    Mutant(
        "http: a redirect is an answer",
        HTTP,
        "            if 300 <= response.status_code < 400:\n",
        "            if False:\n",
        (f"{ON_HTTP}::test_redirects_are_not_followed",),
    ),
    Mutant(
        "http: the body of a redirect is read",
        HTTP,
        "        return None\n\n\ndef parse_json",
        "        return super().get_redirect_target(resp)\n\n\ndef parse_json",
        (f"{ON_HTTP}::test_the_body_of_a_redirect_is_not_read",),
    ),
    Mutant(
        "http: proxies of the environment are used",
        HTTP,
        "        self._session.trust_env = False  # ignore proxies and .netrc of the environment\n",
        "",
        (f"{ON_HTTP}::test_proxies_of_the_environment_are_ignored",),
    ),
    Mutant(
        "http: the token is in the URL",
        HTTP,
        '            headers["Authorization"] = f"Bearer {asked.token.reveal()}"\n',
        "            in_url = {**(asked.params or {}), 'access_token': asked.token.reveal()}\n"
        "            asked = _Asked(asked.method, asked.url, None, in_url)\n",
        (f"{ON_HTTP}::test_the_token_is_not_in_the_url",),
    ),
    Mutant(
        "http: cookies of one account are sent with the calls of others",
        HTTP,
        "            self._session.cookies.clear()  # the session is shared by all accounts\n",
        "",
        (f"{ON_HTTP}::test_cookies_are_not_kept",),
    ),
    Mutant(
        "http: errors name the URL",
        HTTP,
        'return f"connection failed ({type(error).__name__})"',
        'return f"connection failed ({error})"',
        (f"{ON_HTTP}::test_a_refused_connection_is_unavailable",),
    ),
    Mutant(
        "http: answers of any size are read",
        HTTP,
        "            if len(body) > self._max_body_bytes:\n",
        "            if False:\n",
        (f"{ON_HTTP}::test_a_decompression_bomb_is_cut_and_memory_stays_limited",),
    ),
    Mutant(
        "paging: a repeated page goes on",
        PAGING,
        "            return not new_ids\n",
        "            return False\n",
        (f"{ON_GRAPH}::test_paging_that_ends_too_early_is_reported",),
    ),
    Mutant(
        "paging: without a limit of calls",
        PAGING,
        "return self.calls < MAX_CALLS",
        "return self.calls < 50 * MAX_CALLS",
        (f"{ON_GRAPH}::test_endless_pages_are_limited",),
    ),
    Mutant(
        "paging: what was left unread isn't reported",
        PAGING,
        "                self.broke_off = True\n",
        "                pass\n",
        (f"{ON_GRAPH}::test_own_media_report_unread_posts",),
    ),
    Mutant(
        "paging: a cursor is matched at its start",
        PAGING,
        "_CURSOR.fullmatch(after) is not None",
        "_CURSOR.match(after) is not None",
        (f"{ON_GRAPH}::test_paging_that_ends_too_early_is_reported",),
    ),
    Mutant(
        "graph: a username is matched at its start",
        GRAPH,
        "if not _USERNAME.fullmatch(request.username):",
        "if not _USERNAME.match(request.username):",
        (f"{ON_GRAPH}::test_a_name_that_would_change_the_expression_is_never_sent",),
    ),
    Mutant(
        "graph: calls carry no proof",
        GRAPH,
        "if self._app_secret is not None and login is Login.FACEBOOK:",
        "if False:",
        (f"{ON_GRAPH}::test_every_call_carries_a_proof_of_the_app_secret",),
    ),
    Mutant(
        "normalize: links of any scheme are shown",
        NORMALIZE,
        '    if parts.scheme == "https":\n',
        '    if parts.scheme != "http":\n',
        (f"{ON_NORMALIZE}::test_media_addresses",),
    ),
    Mutant(
        "normalize: plain http without an allowed host",
        NORMALIZE,
        'if parts.scheme == "http" and any(_is_host(host, port, allowed) for allowed in plain_http_hosts):',
        'if parts.scheme == "http":',
        (f"{ON_NORMALIZE}::test_media_addresses",),
    ),
    Mutant(
        "normalize: a host is matched by its ending",
        NORMALIZE,
        'return host == name or host.endswith(f".{name}")',
        "return host.endswith(name)",
        (f"{ON_NORMALIZE}::test_media_addresses",),
    ),
)
