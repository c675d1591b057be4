"""How anything is trained; knows no task."""
