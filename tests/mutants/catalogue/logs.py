"""Redaction: what may appear in logs, exceptions and texts of objects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LOGS = "foundation/logs.py"
ON_LOGS = "tests/foundation/test_logs.py"
ON_SECRETS = "tests/paris_integration/test_log_secrets.py"

MUTANTS = (
    Mutant(
        "redaction: messages",
        LOGS,
        "record.msg = redact(_message_of(record))",
        "record.msg = _message_of(record)",
        (f"{ON_LOGS}::test_text_for_people_is_redacted_too",),
    ),
    Mutant(
        "redaction: tracebacks",
        LOGS,
        'record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())',
        'record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()',
        (f"{ON_LOGS}::test_text_for_people_is_redacted_too",),
    ),
    Mutant(
        "redaction: the handler has no filter",
        LOGS,
        '"filters": ["refusals", "redact"],',
        '"filters": ["refusals"],',
        (f"{ON_LOGS}::test_text_for_people_is_redacted_too",),
    ),
    Mutant(
        "redaction: fields",
        LOGS,
        "return json.dumps(redacted(line))",
        "return json.dumps(line, default=str)",
        (f"{ON_LOGS}::test_redaction_keeps_every_line_valid",),
    ),
    Mutant(
        "redaction: fields named like a secret",
        LOGS,
        "return MASK if is_secret and not isinstance(value, int | float | None) else redacted(value, level)",
        "return redacted(value, level)",
        (f"{ON_LOGS}::test_a_field_named_like_a_secret_is_always_masked",),
    ),
    Mutant(
        "redaction: codes and states in queries",
        LOGS,
        r"""    re.compile(r"(?i)((?:[?&]|%3F|%26)(?:code|state)(?:=|%3D))((?:(?!%26)[^\s&'\",;}])+)"),
""",
        "",
        (f"{ON_LOGS}::test_codes_and_states_in_a_query_are_redacted",),
    ),
    Mutant(
        "redaction: passwords in URLs of stores",
        LOGS,
        r"""    re.compile(r"(://[^/\s:@]*:)([^/\s@]+)(?=@)"),  # password in a database or broker URL
""",
        "",
        ("tests/foundation/test_configuration.py::test_values_that_look_like_secrets_are_not_logged",),
    ),
    Mutant(
        "redaction: Meta's tokens",
        "paris_integration/log_secrets.py",
        "logs.also_redact(names=NAMES, forms=[TOKENS])",
        "logs.also_redact(names=NAMES)",
        (f"{ON_SECRETS}::test_metas_tokens_are_masked_anywhere_in_a_text",),
    ),
    Mutant(
        "redaction: Meta's parameters",
        "paris_integration/log_secrets.py",
        "logs.also_redact(names=NAMES, forms=[TOKENS])",
        "logs.also_redact(forms=[TOKENS])",
        (f"{ON_SECRETS}::test_values_of_metas_parameters_are_masked",),
    ),
    Mutant(
        "redaction: codes of links",
        "venice_api/log_secrets.py",
        "logs.also_redact(forms=LINKS)",
        "pass",
        (f"{ON_SECRETS}::test_codes_in_the_paths_of_links_are_masked",),
    ),
    Mutant(
        "access log: it has the address with its query",
        "venice_api/middleware.py",
        'route = (match.view_name if match else "") or "none"',
        "route = request.get_full_path()",
        ("tests/venice_api/test_logs.py::test_access_lines_name_routes_not_paths",),
    ),
    Mutant(
        "secrets: their text is in a repr",
        "paris_integration/types.py",
        '        return "Secret(***)"\n',
        '        return f"Secret({self._text})"\n',
        ("tests/paris_integration/providers/test_http.py::test_secrets_are_hidden_in_reprs",),
    ),
    Mutant(
        "secrets: a session key is in a repr",
        "paris_integration/types.py",
        '    session: str = field(default="", repr=False)\n',
        '    session: str = ""\n',
        (f"{ON_SECRETS}::test_an_actor_does_not_show_its_session",),
    ),
    Mutant(
        "errors: a 500 has the text of its exception",
        "venice_api/api/problems.py",
        '"Something went wrong on our side."',
        "str(sys.exc_info()[1])",
        ("tests/venice_api/test_feed.py::test_a_bug_gets_a_500_without_details",),
    ),
)
