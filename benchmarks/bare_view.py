"""A Django project with one view that sends the same bytes each time: the least that a Django answer costs.

BODY_FILE names the file with the bytes. Run as `gunicorn --config config/gunicorn.py benchmarks.bare_view`.
"""

import os
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=[], ROOT_URLCONF=__name__, SECRET_KEY="-", USAGE_FLUSH_SECONDS=0
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - needs the settings

BODY = Path(os.environ["BODY_FILE"]).read_bytes()


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BODY, content_type="application/json")


urlpatterns = [path("v1/integrations/instagram/feed", view)]
application = get_wsgi_application()
