from django.urls import path, re_path

from venice_api import views
from venice_api.editor import views as editor
from venice_api.embed import views as embed

urlpatterns = [
    path("v1/integrations/instagram/feed", views.FeedView.as_view(), name="feed"),
    path("v1/integrations/instagram/refresh", views.RefreshView.as_view(), name="refresh"),
    re_path(r"^v1/.*$", views.unknown_api_address, name="unknown-api-address"),
    path("embed/widget.js", embed.widget_script, name="widget-script"),
    path("embed/<str:instance_id>", embed.frame, name="embed-frame"),
    path("editor/", editor.instance_list, name="editor-list"),
    path("editor/<str:instance_id>/", editor.instance_detail, name="editor-detail"),
]
