"""Components, and the structures that build linear models of them."""
