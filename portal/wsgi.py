"""WSGI entry point for granian or gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from portal.bodies import measuring

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = measuring(get_wsgi_application())
