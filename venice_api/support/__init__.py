"""The support desk: staff pages for widgets, and what staff can do for a customer.

The package decides nothing about feeds. Each act is one call into Paris or one change to the widget's configuration.
"""
