"""Templates as files: out of one organization, into another."""
