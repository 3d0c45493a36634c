"""Where and in which pieces networks run: the engine (NumPy or torch), the float stages, regions and their memory."""
