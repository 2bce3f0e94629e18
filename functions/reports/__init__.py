"""Writes incident reports as PDF, files and e-mails them."""
