"""Where Django looks for admin classes; they are in `support`."""

from venice_api.support.admin import WidgetInstanceAdmin

__all__ = ["WidgetInstanceAdmin"]
