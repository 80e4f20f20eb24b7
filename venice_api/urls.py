from django.urls import path, re_path

from paris_integration.public import Login
from venice_api import connect, views
from venice_api.editor import views as editor
from venice_api.embed import views as embed

API = "v1/integrations/instagram/"

urlpatterns = [
    path(f"{API}feed", views.FeedView.as_view(), name="feed"),
    path(f"{API}refresh", views.RefreshView.as_view(), name="refresh"),
    path(f"{API}connect", connect.ConnectView.as_view(), name="connect"),
    path(f"{API}callback", connect.callback, {"login": Login.INSTAGRAM}, name="callback-instagram"),
    path(f"{API}callback/facebook", connect.callback, {"login": Login.FACEBOOK}, name="callback-facebook"),
    path("connect/choose/<uuid:attempt_id>/", connect.choose, name="connect-choose"),
    path(f"{API}disconnect", connect.DisconnectView.as_view(), name="disconnect"),
    re_path(
        f"^{API}meta/(?P<family>instagram|facebook)/deauthorize$",
        connect.MetaCallbackView.as_view(),
        name="meta-deauthorize",
    ),
    re_path(
        f"^{API}meta/(?P<family>instagram|facebook)/data-deletion$",
        connect.MetaCallbackView.as_view(erases=True),
        name="meta-data-deletion",
    ),
    path("deletion/<str:code>", connect.deletion_status, name="deletion-status"),
    re_path(r"^v1/.*$", views.unknown_api_address, name="unknown-api-address"),
    path("embed/widget.js", embed.widget_script, name="widget-script"),
    path("embed/<str:instance_id>", embed.frame, name="embed-frame"),
    path("editor/", editor.instance_list, name="editor-list"),
    path("editor/<str:instance_id>/settings/", editor.save_settings, name="editor-settings"),
    path("editor/<str:instance_id>/posts/", editor.hide_post, name="editor-posts"),
    path("editor/<str:instance_id>/new-token/", editor.new_token, name="editor-new-token"),
    path("editor/<str:instance_id>/refresh/", editor.refresh_now, name="editor-refresh"),
    path("editor/<str:instance_id>/disconnect/", editor.disconnect, name="editor-disconnect"),
    path("editor/<str:instance_id>/", editor.instance_detail, name="editor-detail"),
]
