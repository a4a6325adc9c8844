"""What both trainings share: checkpoints, averaged weights, losses, schedules."""
