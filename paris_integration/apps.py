from django.apps import AppConfig
from django.db.models.signals import pre_delete


class ParisConfig(AppConfig):
    name = "paris_integration"
    verbose_name = "Feeds"

    def ready(self) -> None:
        from entitlements.signals import limits_changed
        from foundation import metric_files
        from paris_integration import checks  # noqa: F401 - registers the system checks
        from paris_integration.feeds import previews, rescheduling
        from paris_integration.media import sweeping
        from paris_integration.models import Feed
        from paris_integration.support import plan_changes

        metric_files.fold_ended()
        pre_delete.connect(sweeping.on_feed_deleted, sender=Feed, dispatch_uid="paris.pictures_unused")
        pre_delete.connect(previews.on_feed_deleted, sender=Feed, dispatch_uid="paris.previews_forgotten")
        limits_changed.connect(rescheduling.on_limits_changed, dispatch_uid="paris.reschedule")
        plan_changes.register()
