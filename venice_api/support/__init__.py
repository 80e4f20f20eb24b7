"""The support desk: staff screens for widgets, and what staff can do for a customer.

It decides nothing about feeds: each act is one call into Paris or the widget's own configuration.
"""
