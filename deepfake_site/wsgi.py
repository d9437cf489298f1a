"""The WSGI application that gunicorn serves."""

import os

import django
from django.core.wsgi import get_wsgi_application

from deepfake_site import error_reports, traces
from deepfake_site.content_types import with_readable_content_types

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
django.setup(set_prefix=False)
error_reports.start()
traces.start()  # before the middleware is put together
application = with_readable_content_types(get_wsgi_application())
