"""Networks that learn while they filter: derivatives through time online, and what is done with them."""
