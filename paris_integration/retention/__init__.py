"""How long data is kept: what is erased with a widget, and what expires by age.

Owns the order in which a widget's data is erased, and the periods after which rows are removed.
"""
