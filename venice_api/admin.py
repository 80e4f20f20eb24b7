"""Django looks for admin classes here. They are defined in `support`."""

from venice_api.support.admin import WidgetInstanceAdmin

__all__ = ["WidgetInstanceAdmin"]
