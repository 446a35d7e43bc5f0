"""How each kind of method is trained, from standardised data to a filter."""
