"""Series on which recurrent networks are tried: sums of sines, a language that counts, a delay equation."""
