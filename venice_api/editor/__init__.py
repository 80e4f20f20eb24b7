"""The pages where editors set up their widgets."""
