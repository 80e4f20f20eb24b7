"""How long data is kept: what is erased with a widget, and what is deleted by age."""
