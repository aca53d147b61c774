from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        """Connect what a proven domain changes."""
        from tenants.accounts import adopt_stated  # models exist only now
        from tenants.directory import adopt_addresses
        from tenants.domains import when_proven

        when_proven(adopt_addresses)
        when_proven(adopt_stated)
