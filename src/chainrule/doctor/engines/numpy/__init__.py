"""Networks of chainrule itself."""
