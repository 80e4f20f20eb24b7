"""People's accounts: sign-in, password, address, second step, sessions; and the members of a workspace.

The pages of a person's own account are django-allauth's, with our templates and adapters.
"""
