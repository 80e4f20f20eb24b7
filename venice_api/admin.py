"""Django looks for admin classes here. They are defined in `support`."""

from venice_api.support.admin import WidgetInstanceAdmin
from venice_api.support.people import PersonAdmin, RoleAdmin

__all__ = ["PersonAdmin", "RoleAdmin", "WidgetInstanceAdmin"]
