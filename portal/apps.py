from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Listen for requests and sign-ins from the first on, also in processes that have not loaded the addresses yet."""
        from portal import brute_force, connections, factors, guests, sessions, sign_in_again  # noqa: F401
