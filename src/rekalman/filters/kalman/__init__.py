"""The Kalman filter of every linear model, one series and many."""
