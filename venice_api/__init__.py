"""Venice: all that a browser may talk to, and the owner of each widget's configuration."""
