"""What publishers' pages load: the widget's script and the frame page.

It knows no session and no person; an embed token is all that it is given.
"""
