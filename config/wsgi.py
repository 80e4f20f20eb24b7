import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()
call_command("check")  # gunicorn doesn't run the system checks; Celery's workers do


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Everything here is UTF-8. Django would read address and form by the charset that a request names, before its
    own handlers are there to answer, and some of Python's codecs raise errors that nothing expects.
    """
    kind = environ.get("CONTENT_TYPE", "")
    if "charset" in kind.lower():
        parts = [part for part in kind.split(";") if not part.strip().lower().startswith("charset")]
        environ["CONTENT_TYPE"] = ";".join(parts)
    return _django(environ, start_response)
