"""Django settings: read from the environment by `portal.environment`, one file for every kind of run."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from portal import environment, file_queue
from portal.environment import BASE_DIR

PRODUCTION = environment.flag("PRODUCTION")
DEBUG = False
DATA_DIR = environment.data_dir()
PUBLIC_URL = environment.public_url(production=PRODUCTION)

# --- secrets: one per purpose, none in the database --------------------------------------------------------
SECRET_KEY = environment.secret("SECRET_KEY", production=PRODUCTION)
KEY_ENCRYPTION_KEY = environment.secret("KEK", production=PRODUCTION)
# While one key-encryption key is being replaced, the other one; it opens and never seals.
KEY_ENCRYPTION_KEY_PREVIOUS = environment.further_secret("KEK_PREVIOUS")
API_PEPPER = environment.secret("API_PEPPER", production=PRODUCTION)

# --- addresses ---------------------------------------------------------------------------------------------
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [_public.hostname or "localhost", *environment.words("ALLOWED_HOSTS")]
if not PRODUCTION:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]", ".localhost"]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
HTTPS = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "rightskeep-session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "rightskeep-csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.errors.forged"
SESSION_COOKIE_AGE = int(timedelta(days=7).total_seconds())
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if environment.words("TRUSTED_PROXIES") else None
)
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # subdomains may belong to other services of the organization
    "security.W008",  # TLS and the redirect to it are the reverse proxy's; devices follow no redirect
    "security.W021",  # being on browsers' preload lists is the operator's decision
]
# Where /metrics is served, never on the public port; None: nowhere.
METRICS = environment.listener("METRICS")
TRUSTED_PROXIES = environment.words("TRUSTED_PROXIES")

# --- applications ------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "administration",  # before Django's own: it has a command of the same name, `changepassword`
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.idp.oidc",
    "audit",
    "tenants",
    "keys",
    "policies",
    "tracking",
    "licensing",
    "portal",
]
MIDDLEWARE = [
    "licensing.gate.DeviceGate",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.security.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.security.ReadableQueryMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.guests.GuestMiddleware",
    "portal.factors.FactorMiddleware",
    "portal.sessions.SeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.zones.PersonZoneMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.navigation.frame",
            ],
        },
    },
]

# --- database ----------------------------------------------------------------------------------------------
DATABASE_URL = environment.text("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'rightskeep.sqlite3'}"
try:
    DATABASES: dict[str, Any] = {"default": dict(dj_database_url.parse(DATABASE_URL))}
except (ValueError, dj_database_url.ParseError) as error:
    raise ImproperlyConfigured("RIGHTSKEEP_DATABASE_URL is not a database address.") from error
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: a usage row that was answered for must survive a power cut.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["CONN_MAX_AGE"] = None
    # Without Django's health check, a query for each request: see portal/connections.py.
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "connect_timeout": 5,
        "server_side_binding": True,
        "prepare_threshold": 2,
        "options": "-c synchronous_commit=on",
    }
else:
    raise ImproperlyConfigured("RIGHTSKEEP_DATABASE_URL must name PostgreSQL or SQLite.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker and jobs ---------------------------------------------------------------------------------------
BROKER_URL = environment.text("BROKER_URL")
if not BROKER_URL and PRODUCTION:
    raise ImproperlyConfigured(
        "RIGHTSKEEP_BROKER_URL is missing: name a Redis or RabbitMQ server in production."
    )
CELERY_BROKER_URL = BROKER_URL or f"{file_queue.SCHEME}://localhost"
if not BROKER_URL:
    file_queue.register()
    _queue = DATA_DIR / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.2,
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A task that waits longer than its next tick is dropped: beat finds the work again from the database.
CELERY_BEAT_SCHEDULE = {
    "aggregate-usage": {"task": "audit.aggregate_usage", "schedule": 20.0, "options": {"expires": 20}},
    "continue-key-rollovers": {"task": "keys.continue_rollovers", "schedule": 5.0, "options": {"expires": 5}},
    "roll-keys-by-policy": {"task": "keys.roll_by_policy", "schedule": 60.0, "options": {"expires": 60}},
    "warn-of-keys": {"task": "keys.warn_of_keys", "schedule": 300.0, "options": {"expires": 300}},
    "count-key-uses": {"task": "keys.count_uses", "schedule": 60.0, "options": {"expires": 60}},
    "reseal": {"task": "tracking.continue_resealings", "schedule": 60.0, "options": {"expires": 60}},
    "destroy-keys": {"task": "tracking.destroy_keys", "schedule": 60.0, "options": {"expires": 60}},
    "tidy-key-imports": {"task": "keys.tidy_imports", "schedule": 60.0, "options": {"expires": 60}},
    "continue-removals": {
        "task": "administration.continue_removals",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "make-exports": {"task": "administration.make_exports", "schedule": 10.0, "options": {"expires": 10}},
    "check-domains": {
        "task": "tenants.check_domains",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 600},
    },
    "send-mail": {"task": "tenants.send_mail", "schedule": 3.0, "options": {"expires": 3}},
    "tell-of-super-users": {
        "task": "tenants.tell_of_super_users",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "clean-sessions": {"task": "portal.clean_up", "schedule": crontab(hour="3", minute="17")},
}

# --- files -------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
FILES_DIR = DATA_DIR / "files"


def _storage() -> dict[str, Any]:
    """Where daily log files go: the data directory, or `s3://bucket/prefix?endpoint_url=…` by RIGHTSKEEP_STORAGE_URL."""
    url = environment.text("STORAGE_URL")
    if not url:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": FILES_DIR, "base_url": None, "file_permissions_mode": 0o600},
        }
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("RIGHTSKEEP_STORAGE_URL must look like s3://bucket/prefix?endpoint_url=…")
    options: dict[str, Any] = {name: values[0] for name, values in parse_qs(parts.query).items()}
    options |= {"bucket_name": parts.hostname, "location": parts.path.strip("/"), "file_overwrite": True}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


STORAGES = {
    "default": _storage(),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- cache: sign-in codes have to be seen by every process, so never process memory -----------------------
if BROKER_URL.startswith(("redis://", "rediss://")):
    CACHES: dict[str, Any] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": BROKER_URL}
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- people and sign-in ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "tenants.hashers.RandomSecretHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "portal.forms.sign_in.LoginForm",
    "signup": "portal.forms.sign_in.SignupForm",
    "add_email": "portal.forms.sign_in.AddEmailForm",
    "change_password": "portal.forms.sign_in.ChangePasswordForm",
    "set_password": "portal.forms.sign_in.SetPasswordForm",
    "reset_password": "portal.forms.sign_in.ResetPasswordForm",
    "reset_password_from_key": "portal.forms.sign_in.ResetPasswordKeyForm",
    "reauthenticate": "portal.forms.sign_in.ReauthenticateForm",
}
SOCIALACCOUNT_ADAPTER = "portal.sign_on.SignOnAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
# Asserted addresses lie in proven domains of the provider's organization, or the sign-in is refused.
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
# Networks inside of which an organization's identity provider may stand, by http too; empty: none.
INTERNAL_NETWORKS_ALLOWED = environment.networks("INTERNAL_NETWORKS_ALLOWED")
# Passwords are slowed by portal.brute_force; this is left for what is allauth's own.
ACCOUNT_RATE_LIMITS = {"login_failed": "60/m/ip"}
MFA_ADAPTER = "portal.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Rightskeep"
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
MFA_FORMS = {
    "authenticate": "portal.forms.factors.AuthenticateForm",
    "reauthenticate": "portal.forms.factors.ReauthenticateForm",
    "activate_totp": "portal.forms.factors.ActivateTOTPForm",
    "add_webauthn": "portal.forms.factors.AddPasskeyForm",
    "edit_webauthn": "portal.forms.factors.RenamePasskeyForm",
}
IDP_OIDC_ADAPTER = "portal.accounts.DeviceTokenAdapter"
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 3600
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = int(timedelta(days=90).total_seconds())
IDP_OIDC_DEVICE_CODE_EXPIRES_IN = 600
IDP_OIDC_INTROSPECTION_ENABLED = False

# --- mail --------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM") or f"Rightskeep <no-reply@{_public.hostname}>"
_mail = urlsplit(environment.text("EMAIL_URL"))
if not _mail.scheme:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(DATA_DIR / "mail")
elif _mail.scheme in ("smtp", "smtps", "smtp+tls") and _mail.hostname:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = (
        _mail.hostname,
        _mail.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[_mail.scheme],
    )
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 20
else:
    raise ImproperlyConfigured("RIGHTSKEEP_EMAIL_URL must look like smtp+tls://user:password@host:587.")

# --- organizations -----------------------------------------------------------------------------------------
# Who may start an organization: everybody, who was invited by an operator, or nobody.
SIGN_UP = environment.choice("SIGN_UP", ("open", "invitation", "closed"))
# Who is asked when a domain is to be proven; empty: the servers of this machine.
DNS_SERVERS = environment.servers("DNS_SERVERS", port=53)
# How long an organization can take back that it wants to be deleted.
REMOVAL_GRACE_DAYS = environment.number("REMOVAL_GRACE_DAYS", 30)

# --- keys --------------------------------------------------------------------------------------------------
# The vendor's library, the token's label and its PIN; without them there is no hardware security module.
PKCS11_MODULE = environment.text("PKCS11_MODULE")
PKCS11_TOKEN_LABEL = environment.text("PKCS11_TOKEN", "rightskeep")
PKCS11_TOKEN_PIN = environment.further_secret("PKCS11_PIN", shortest=4)
PKCS11_SECONDS = environment.number("PKCS11_SECONDS", 5)
PKCS11_GENERATION_SECONDS = environment.number("PKCS11_GENERATION_SECONDS", 120)
# Where the keys of organizations are made that have not decided themselves.
NEW_KEYS = environment.choice("NEW_KEYS", ("software", "pkcs11"))

# --- languages, times --------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

# --- interfaces --------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["licensing.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "administration.api.paging.Pages",
    "EXCEPTION_HANDLER": "administration.api.errors.api_error",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rightskeep administration",
    "DESCRIPTION": "What the portal does, by machine. Bearer tokens come from the installation's OpenID Connect provider.",
    "VERSION": "1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "administration.schema.describe_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "LanguageEnum": [(code, code) for code, _name in LANGUAGES],
        "OnboardingEnum": "tenants.models.Tenant.Onboarding",
        "KeyKindEnum": "keys.models.KeyVersion.Kind",
        "IncidentKindEnum": "keys.models.KeyIncident.Kind",
        "KeyStateEnum": "keys.models.KeyVersion.State",
        "TemplateStateEnum": "policies.models.PolicyTemplate.State",
        "IdentityProviderKindEnum": "tenants.models.IdentityProvider.Kind",
    },
}
# A licensing request may be 32 MiB long (protocol.md 1.1); the device views refuse more with their own JSON object.
DATA_UPLOAD_MAX_MEMORY_SIZE = 33 * 1024 * 1024
DEMO_PASSWORD = environment.text("DEMO_PASSWORD")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        # Two lines for every sweep of beat would bury what matters.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
