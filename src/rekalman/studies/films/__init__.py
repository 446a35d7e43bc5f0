"""Studies of networks that watch films."""
