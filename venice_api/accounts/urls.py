"""The account pages. Pages of django-allauth that aren't listed don't exist here, such as signing up."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.usersessions import views as sessions
from django.contrib.auth.views import LogoutView
from django.urls import path, re_path

from venice_api.accounts import views

urlpatterns = [
    path("", views.overview, name="account"),
    path("login/", views.sign_in, name="login"),
    path("login/", views.sign_in, name="account_login"),  # the name that django-allauth uses
    path("login/code/", mfa.authenticate, name="mfa_authenticate"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("logout/", LogoutView.as_view(), name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("reauthenticate/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("email/", views.EmailView.as_view(), name="account_email"),
    re_path(r"^email/confirm/(?P<key>[-:\w]+)/$", account.confirm_email, name="account_confirm_email"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path("password/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/changed/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"
    ),
    path("sessions/", sessions.list_usersessions, name="usersessions_list"),
    path("sessions/<int:session_id>/end/", views.end_session, name="account-end-session"),
    path("second-step/", mfa.index, name="mfa_index"),
    path("second-step/set-up/", views.SetUpView.as_view(), name="mfa_activate_totp"),
    path("second-step/switch-off/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("second-step/recovery-codes/", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "second-step/recovery-codes/new/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "second-step/recovery-codes/download/",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
]
