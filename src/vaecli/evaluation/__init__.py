"""What a trained model gives and how good it is: functions of a model and images.

Nothing here reads a run directory, draws a picture or prints."""
