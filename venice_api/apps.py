from django.apps import AppConfig


class VeniceConfig(AppConfig):
    name = "venice_api"
    verbose_name = "Widgets"

    def ready(self) -> None:
        from venice_api import instances  # noqa: F401 - keeps the remembered instances true
