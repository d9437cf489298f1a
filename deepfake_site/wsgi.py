"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from deepfake_site.content_types import with_readable_content_types

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
application = with_readable_content_types(get_wsgi_application())
