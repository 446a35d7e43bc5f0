"""Recurrent networks learned online: accuracy and costs."""
