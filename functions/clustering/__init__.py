"""Groups rows, finds unusual ones and says what tells them apart."""
