"""Who may read and change what: embed tokens, roles, origins, CSRF, inputs, caching headers, throttles."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

AUTHENTICATION = "venice_api/api/authentication.py"
CACHING = "venice_api/api/http_caching.py"
INPUTS = "venice_api/api/inputs.py"
PROBLEMS = "venice_api/api/problems.py"
THROTTLES = "venice_api/api/throttles.py"
VIEWS = "venice_api/api/views.py"
EMBED = "venice_api/embed/views.py"
ON_FEED = "tests/venice_api/test_feed.py"
ON_PAGES = "tests/venice_api/test_pages.py"
ON_REFRESH = "tests/venice_api/test_refresh.py"
ON_THROTTLES = "tests/venice_api/test_throttles.py"
ON_EDITOR = "tests/venice_api/test_editor.py"
ON_METRICS = "tests/venice_api/test_metrics.py"
ON_REPEATS = "tests/venice_api/test_repeats.py"

MUTANTS = (
    Mutant(
        "embed token: made for another purpose",
        "venice_api/embed_tokens.py",
        'return Signer(salt=_SALT, sep=".")',
        'return Signer(salt="other", sep=".")',
        (f"{ON_FEED}::test_a_token_with_another_purpose_or_key_is_refused",),
    ),
    Mutant(
        "embed token: any signature",
        "venice_api/embed_tokens.py",
        "payload = _signer().unsign(text)",
        'payload = text.rpartition(".")[0]',
        (f"{ON_FEED}::test_forged_tokens",),
    ),
    Mutant(
        "embed token: a revoked one",
        AUTHENTICATION,
        "if instance is None or instance.token_version != content.version:",
        "if instance is None:",
        (f"{ON_FEED}::test_a_rotated_token_is_refused",),
    ),
    Mutant(
        "embed token: of another widget",
        AUTHENTICATION,
        'if named.get("instanceId", instance.instance_id) != instance.instance_id:',
        "if False:",
        (f"{ON_FEED}::test_a_token_reads_only_its_own_instance",),
    ),
    Mutant(
        "embed token: of another widget, in a frame",
        EMBED,
        "    if instance.instance_id != instance_id:\n",
        "    if False:\n",
        (f"{ON_PAGES}::test_the_frame_needs_its_token",),
    ),
    Mutant(
        "embed token: reads any account",
        VIEWS,
        "        if is_preview and not is_member:\n",
        "        if False:\n",
        (f"{ON_FEED}::test_a_token_cannot_choose_another_source",),
    ),
    Mutant(
        "embed token: refreshes",
        VIEWS,
        "    authentication_classes = [SessionAuthentication]\n    permission_classes = [IsEditor]\n"
        "    parser_classes",
        "    authentication_classes = [EmbedTokenAuthentication, SessionAuthentication]\n"
        "    permission_classes = [IsReader]\n    parser_classes",
        (f"{ON_REFRESH}::test_who_can_refresh",),
    ),
    Mutant(
        "tenants: members of any workspace",
        "venice_api/models.py",
        "self.filter(workspace__memberships__user_id=user_id).annotate(",
        "self.filter(workspace__memberships__isnull=False).annotate(",
        (f"{ON_FEED}::test_sessions", f"{ON_EDITOR}::test_who_can_change_a_widget"),
    ),
    Mutant(
        "roles: viewers use the API like editors",
        "venice_api/api/permissions.py",
        "return can_edit(obj.role)",
        "return True",
        (f"{ON_REFRESH}::test_who_can_refresh",),
    ),
    Mutant(
        "roles: viewers change widgets on pages",
        "venice_api/editor/gates.py",
        "    if not can_edit(role):\n",
        "    if False:\n",
        (f"{ON_EDITOR}::test_who_can_change_a_widget",),
    ),
    Mutant(
        "origin: matched by its beginning",
        CACHING,
        "origin not in instance.allowed_origins):",
        "not origin.startswith(instance.allowed_origins)):",
        (f"{ON_FEED}::test_only_allowed_origins_can_read_the_feed",),
    ),
    Mutant(
        "origin: matched by its ending",
        CACHING,
        "origin not in instance.allowed_origins):",
        'not origin.endswith(tuple(o.partition("//")[2] for o in instance.allowed_origins))):',
        (f"{ON_FEED}::test_only_allowed_origins_can_read_the_feed",),
    ),
    Mutant(
        "origin: a session is used from another site",
        CACHING,
        "if is_session or (instance",
        "if (instance",
        (f"{ON_FEED}::test_a_session_read_from_another_site_is_refused",),
    ),
    Mutant(
        "origin: CORS allows every site",
        CACHING,
        "    if origin in instance.allowed_origins:\n",
        "    if origin:\n",
        (f"{ON_FEED}::test_the_preflight_needs_no_token",),
    ),
    Mutant(
        "origin: answers don't vary by it",
        CACHING,
        '    patch_vary_headers(response, ["Origin"])\n',
        "",
        (f"{ON_FEED}::test_only_allowed_origins_can_read_the_feed",),
    ),
    Mutant(
        "origin: any site frames a widget",
        "venice_api/policies.py",
        """framing = " ".join(("'self'", *allowed_origins)) if allowed_origins else "*\"""",
        'framing = "*"',
        (f"{ON_PAGES}::test_the_frame_page_lists_the_sites_that_can_frame_it",),
    ),
    Mutant(
        "CSRF: not checked by the API",
        AUTHENTICATION,
        "            super().enforce_csrf(request)\n",
        "            pass\n",
        (f"{ON_REFRESH}::test_a_session_without_its_csrf_token_changes_nothing",),
    ),
    Mutant(
        "CSRF: not checked by pages",
        "config/settings.py",
        '    "django.middleware.csrf.CsrfViewMiddleware",\n',
        "",
        ("tests/venice_api/test_members.py::test_acts_need_a_csrf_token",),
    ),
    Mutant(
        "CSRF: forms of other sites pass for JSON",
        VIEWS,
        "            if request._request.content_type != JsonObjectParser.media_type:\n",
        "            if False:\n",
        (f"{ON_REFRESH}::test_an_empty_body",),
    ),
    Mutant(
        "inputs: the last of two tokens counts",
        INPUTS,
        "        if len(sent) > 1:\n",
        "        if False:\n",
        (f"{ON_FEED}::test_a_repeated_token_is_named",),
    ),
    Mutant(
        "inputs: the last of two values counts",
        INPUTS,
        "        if doubled:\n",
        "        if False:\n",
        (f"{ON_FEED}::test_malformed_parameters_are_named",),
    ),
    Mutant(
        "inputs: an idempotency key is matched at its start",
        INPUTS,
        "_KEY.fullmatch(header)",
        "_KEY.match(header)",
        (f"{ON_REFRESH}::test_invalid_idempotency_keys_are_refused",),
    ),
    Mutant(
        "inputs: a request id is matched at its start",
        "venice_api/middleware.py",
        "_SANE_REQUEST_ID.fullmatch(sent)",
        "_SANE_REQUEST_ID.match(sent)",
        (f"{ON_FEED}::test_a_valid_request_id_is_echoed",),
    ),
    Mutant(
        "caching: errors are cached",
        PROBLEMS,
        '    response = JsonResponse(body, status=problem.status)\n    response["Cache-Control"] = "no-store"\n',
        "    response = JsonResponse(body, status=problem.status)\n"
        '    response["Cache-Control"] = "public, max-age=10"\n',
        (
            f"{ON_FEED}::test_answers_the_proxy_never_caches_carry_no_header_for_it",
            f"{ON_THROTTLES}::test_reads_from_one_address_are_limited",
        ),
    ),
    Mutant(
        "caching: answers to sessions are cached",
        CACHING,
        "    if isinstance(caller, MemberCaller):\n        return NEVER_SHARED\n",
        "",
        (f"{ON_FEED}::test_sessions",),
    ),
    Mutant(
        "caching: answers to a token in the header are public",
        CACHING,
        "return _public() if caller.token_in_url and view.posts else PRIVATE",
        "return _public() if view.posts else PRIVATE",
        (f"{ON_FEED}::test_answers_to_a_token_in_the_header_are_private",),
    ),
    Mutant(
        "caching: a warming answer is cached",
        CACHING,
        "    if view.is_warming or view.last_updated_at is None:\n        return NEVER\n",
        "",
        (f"{ON_FEED}::test_a_warming_answer",),
    ),
    Mutant(
        "caching: withdrawn posts stay in the proxy",
        CACHING,
        '        response["X-Accel-Expires"] = "@1"\n',
        "",
        (f"{ON_FEED}::test_the_proxy_caches_only_public_answers",),
    ),
    Mutant(
        "repeats: shared by origins",
        "venice_api/api/repeats.py",
        '        "" if origin is None else f"={origin}",\n',
        "",
        (f"{ON_REPEATS}::test_answers_differ_by_origin_as_the_views_do",),
    ),
    Mutant(
        "repeats: aren't throttled",
        "venice_api/api/repeats.py",
        "if not counters.reads.raise_within(throttles.read_limits(environ, kept.offer.instance_id)):",
        "if False:",
        (f"{ON_REPEATS}::test_repeated_answers_count_towards_the_throttles",),
    ),
    Mutant(
        "throttles: reads",
        THROTTLES,
        "        if any(n > limit for n, limit in zip(counts, limits.values(), strict=True)):\n",
        "        if False:\n",
        (f"{ON_THROTTLES}::test_reads_from_one_address_are_limited",),
    ),
    Mutant(
        "throttles: reads of one widget",
        THROTTLES,
        "    if instance_id is not None:\n        limits",
        "    if False:\n        limits",
        (f"{ON_THROTTLES}::test_reads_of_one_widget_do_not_limit_other_widgets",),
    ),
    Mutant(
        "throttles: changes by one user",
        THROTTLES,
        "    elif (user_id := _user_id(request)) is not None:\n",
        "    elif (user_id := None) is not None:\n",
        (f"{ON_THROTTLES}::test_changes_by_one_user_are_limited",),
    ),
    Mutant(
        "throttles: sign-ins",
        THROTTLES,
        'if request.path in {reverse("login"), reverse("admin:login")}:',
        "if False:",
        (f"{ON_THROTTLES}::test_sign_ins_from_one_address_are_limited",),
    ),
    Mutant(
        "throttles: failed authentication",
        THROTTLES,
        "            if response.status_code == 401:\n",
        "            if False:\n",
        (f"{ON_THROTTLES}::test_failed_authentication_has_a_lower_limit_and_valid_tokens_still_work",),
    ),
    Mutant(
        "throttles: pictures",
        "venice_api/embed/media.py",
        "        throttles.check_picture(request)\n",
        "",
        ("tests/venice_api/test_media.py::test_pictures_are_limited_by_address_apart_from_feeds",),
    ),
    Mutant(
        "address: the client's own claim counts",
        "venice_api/client_address.py",
        "named = _group(forwarded[-trusted_proxies])",
        "named = _group(forwarded[0])",
        ("tests/venice_api/test_client_address.py::test_client_address",),
    ),
    Mutant(
        "address: a list without a proxy is trusted",
        "venice_api/client_address.py",
        "    if trusted_proxies <= 0:\n        return _group(peer)\n",
        "",
        ("tests/venice_api/test_client_address.py::test_client_address",),
    ),
    Mutant(
        "metrics: open to what a proxy forwards",
        "foundation/metrics_access.py",
        'if any(name in _FORWARDED or name.startswith("HTTP_X_FORWARDED") for name in environ):',
        "if False:",
        (f"{ON_METRICS}::test_who_can_read",),
    ),
    Mutant(
        "metrics: any token",
        "foundation/metrics_access.py",
        "return bool(token) and is_bearer and is_right",
        "return bool(token) and is_bearer",
        (f"{ON_METRICS}::test_who_can_read",),
    ),
    Mutant(
        "cache: Redis is trusted with pickles",
        "foundation/cache.py",
        '        options["serializer"] = JsonSerializer\n',
        "",
        ("tests/foundation/test_cache.py::test_pickles_in_redis_are_never_loaded",),
        needs_postgres=True,
    ),
    Mutant(
        "moderation: words of somebody else are replaced",
        "venice_api/moderation.py",
        "    if now not in (shown, wanted):",
        "    if False:",
        (
            "tests/venice_api/test_editor_posts.py"
            "::test_words_that_somebody_else_saved_meanwhile_are_kept_or_reported",
        ),
    ),
    Mutant(
        "deletion: widgets of a workspace are locked one by one",
        "venice_api/instances.py",
        'list(siblings.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))',
        "pass",
        (
            "tests/venice_api/test_deletion_locks.py"
            "::test_a_workspace_and_its_widgets_are_deleted_at_the_same_time",
        ),
        needs_postgres=True,
    ),
)
