"""What each kind of modality is in memory, how it is read, and how it becomes inputs of a network."""
