from django.apps import AppConfig


class ParisConfig(AppConfig):
    name = "paris_integration"
    verbose_name = "Feeds"

    def ready(self) -> None:
        from entitlements.signals import limits_changed
        from foundation import metric_files
        from paris_integration import checks  # noqa: F401 - registers the system checks
        from paris_integration.feeds import refreshing

        metric_files.fold_ended()
        limits_changed.connect(refreshing.on_limits_changed, dispatch_uid="paris.reschedule")
