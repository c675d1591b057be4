"""What a person does after training: load, predict, search."""
