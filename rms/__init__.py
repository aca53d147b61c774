"""Formats and cryptography of Rightskeep: publishing licenses, pfile, ciphers, rights. Knows nothing of Django."""
