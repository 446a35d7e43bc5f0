"""Encoders and decoders of images."""
