import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
call_command(
    "check"
)  # gunicorn asks nobody whether the settings make sense; Celery's workers do so by themselves
