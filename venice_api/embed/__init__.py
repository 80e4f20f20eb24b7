"""What publishers' pages load: the widget's script and the frame page.

The package knows no sessions and no users. Its only credential is the embed token.
"""
