"""The engine for chainrule's own networks."""
