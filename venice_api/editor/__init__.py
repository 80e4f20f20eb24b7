"""The pages where people sign in and set up their widgets.

The package handles forms and roles. What a plan allows comes from entitlements, and a feed's state from Paris.
"""
