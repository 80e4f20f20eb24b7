from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from venice_api.ops.health import healthz, readyz
from venice_api.ops.metrics_page import metrics_page

urlpatterns = [
    path("", include("venice_api.urls")),
    path("accounts/", include("venice_api.accounts.urls")),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics_page, name="metrics"),
    path("readyz", readyz, name="readyz"),
]
if settings.DEMO:
    urlpatterns += [path("", include("demo.urls"))]
else:
    urlpatterns += [path("", RedirectView.as_view(url="/editor/"), name="home")]

handler400 = "venice_api.api.problems.bad_request"
handler404 = "venice_api.api.problems.not_found"
handler500 = "venice_api.api.problems.server_error"
