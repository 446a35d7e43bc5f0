"""Networks that are their own filters: recurrent layers, encoders, decoders, and what they believe."""
