"""Tables and statements of detection, a module a table."""
