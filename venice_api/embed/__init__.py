"""What publishers' pages load: the widget's script and the frame page."""
