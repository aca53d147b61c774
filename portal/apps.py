from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Listen for sign-ins from the first on, also of processes that have not loaded the addresses yet."""
        from portal import brute_force, factors, guests, sessions, sign_in_again  # noqa: F401
