"""The team's own resources, a module each."""
