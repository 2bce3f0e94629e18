"""Embeds texts, ranks, classifies and reads them."""
