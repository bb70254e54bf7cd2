"""The explorer's server: on this machine only, for one person."""
