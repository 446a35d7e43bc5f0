"""Does a recurrent network learn what a Kalman filter knows, and can the dynamics be read off it?"""
