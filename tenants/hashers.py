"""A hasher for secrets that are random to begin with.

Client secrets have 256 bits of entropy: stretching them buys nothing and costs a quarter of a second per token.
"""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class RandomSecretHasher(PBKDF2PasswordHasher):
    algorithm = "pbkdf2_random"
    iterations = 1
