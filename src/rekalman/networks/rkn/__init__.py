"""The recurrent Kalman network: its layer, its recursion and the gradient of that."""
