"""Measurements of the service and its code base. They print figures, and never fail a build."""
