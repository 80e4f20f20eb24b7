from django.apps import AppConfig


class VeniceConfig(AppConfig):
    name = "venice_api"
    verbose_name = "Widgets"

    def ready(self) -> None:
        import foundation.checks  # noqa: F401 - registers the system checks
        import venice_api.checks  # noqa: F401 - registers the system checks
        from venice_api.accounts import addresses, freshness, second_factor

        addresses.connect()
        freshness.connect()
        second_factor.connect()
        from venice_api import instances  # noqa: F401 - connects the signals that keep cached instances current
        from venice_api.support import plan_changes

        plan_changes.register()
