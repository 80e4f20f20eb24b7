"""What publishers' pages load: the widget's script and the frame page.

The package doesn't use sessions or users. Its only credential is the embed token.
"""
