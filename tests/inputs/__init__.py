"""What a user can get wrong before anything goes over the wire."""
