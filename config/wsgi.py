import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()
call_command("check")  # gunicorn doesn't run the system checks; Celery's workers do


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Handle a request, ignoring the charset in its Content-Type: everything here is UTF-8."""
    # Django would decode URL and form with that charset before its error handlers are in place, and some of Python's
    # codecs raise errors that nothing catches.
    kind = environ.get("CONTENT_TYPE", "")
    if "charset" in kind.lower():
        parts = [part for part in kind.split(";") if not part.strip().lower().startswith("charset")]
        environ["CONTENT_TYPE"] = ";".join(parts)
    return _django(environ, start_response)
