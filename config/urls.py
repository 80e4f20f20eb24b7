from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from venice_api.editor.sign_in import SignInForm
from venice_api.ops.health import healthz, readyz
from venice_api.ops.metrics_page import metrics_page

urlpatterns = [
    path("", include("venice_api.urls")),
    path(
        "accounts/login/",
        auth.LoginView.as_view(redirect_authenticated_user=True, authentication_form=SignInForm),
        name="login",
    ),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
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
