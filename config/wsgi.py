import os
from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()
call_command("check")  # gunicorn doesn't run the system checks; Celery's workers do

from foundation.cache import Lookups, noting  # noqa: E402 - needs the settings
from venice_api.api import repeats  # noqa: E402


class Application:
    """The WSGI application. Reads of feeds may be answered by `repeats` instead of Django."""

    repeated_path = repeats.PATH

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request, ignoring the charset in its Content-Type: everything here is UTF-8."""
        # Django would decode URL and form with that charset before its error handlers are in place, and some of
        # Python's codecs raise errors that nothing catches.
        kind = environ.get("CONTENT_TYPE", "")
        if "charset" in kind.lower():
            parts = [part for part in kind.split(";") if not part.strip().lower().startswith("charset")]
            environ["CONTENT_TYPE"] = ";".join(parts)
        if environ.get("PATH_INFO") == repeats.PATH:
            return _read_feed(environ, start_response)
        return _django(environ, start_response)

    def repeat(self, environ: Mapping[str, Any]) -> repeats.Answer | None:
        """The answer to a request for `repeated_path`, if it is known without waiting for anybody."""
        return repeats.repeats.find(environ, may_ask=False)


def _read_feed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    answer = repeats.repeats.find(environ, may_ask=True)
    if answer is not None:
        start_response(answer.status, [*answer.headers, ("X-Request-ID", answer.request_id)])
        return [answer.body]
    began_monotonic = repeats.monotonic()
    sent: list[tuple[str, str]] = []

    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        sent[:] = headers
        return start_response(status, headers, *error)

    environ[repeats.LOOKUPS] = lookups = Lookups()
    try:
        with noting(lookups):
            response = _django(environ, start)
        repeats.repeats.keep(environ, sent, began_monotonic)
    finally:
        repeats.repeats.end(environ)
    return response


application = Application()
