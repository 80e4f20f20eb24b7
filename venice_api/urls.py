from django.urls import path, re_path

from paris_integration.public import Login
from venice_api.accounts import invitations, members
from venice_api.api import views
from venice_api.connect import links, meta_callbacks
from venice_api.connect import views as connect
from venice_api.editor import acts, connect_link
from venice_api.editor import posts as editor_posts
from venice_api.editor import views as editor
from venice_api.editor.design import design
from venice_api.embed import media
from venice_api.embed import views as embed
from venice_api.embed.scripts import FILES

API = "v1/integrations/instagram/"

urlpatterns = [
    path(f"{API}feed", views.FeedView.as_view(), name="feed"),
    path(f"{API}explain", views.ExplainView.as_view(), name="explain"),
    path(f"{API}refresh", views.RefreshView.as_view(), name="refresh"),
    path(f"{API}connect", connect.ConnectView.as_view(), name="connect"),
    path(f"{API}callback", connect.callback, {"login": Login.INSTAGRAM}, name="callback-instagram"),
    path(f"{API}callback/facebook", connect.callback, {"login": Login.FACEBOOK}, name="callback-facebook"),
    path("connect/choose/<uuid:attempt_id>/", connect.choose, name="connect-choose"),
    path("connect/begin/<uuid:link_id>/", links.begin, name="connect-link-begin"),
    path("connect/result/<uuid:link_id>/", links.result, name="connect-link-result"),
    path("connect/<str:code>", links.opened, name="connect-link"),
    path(f"{API}disconnect", connect.DisconnectView.as_view(), name="disconnect"),
    re_path(
        f"^{API}meta/(?P<family>instagram|facebook)/deauthorize$",
        meta_callbacks.DeauthorizeView.as_view(),
        name="meta-deauthorize",
    ),
    re_path(
        f"^{API}meta/(?P<family>instagram|facebook)/data-deletion$",
        meta_callbacks.DataDeletionView.as_view(),
        name="meta-data-deletion",
    ),
    path("deletion/<str:code>", meta_callbacks.deletion_status, name="deletion-status"),
    path("api/schema/", views.SchemaView.as_view(), name="api-schema"),
    path("api/docs/", views.docs, name="api-docs"),
    re_path(r"^v1/.*$", views.unknown_api_address, name="unknown-api-address"),
    *(path(f"embed/{name}.js", embed.script, {"name": name}, name=f"{name}-script") for name in FILES),
    path("embed/<str:instance_id>/fragment", embed.fragment, name="embed-fragment"),
    path("embed/<str:instance_id>", embed.frame, name="embed-frame"),
    re_path(r"^media/(?P<name>[\s\S]*)\Z", media.picture, name="picture"),
    path("editor/", editor.instance_list, name="editor-list"),
    path("editor/workspaces/<uuid:workspace_id>/members/", members.page, name="members"),
    path("editor/workspaces/<uuid:workspace_id>/members/invite/", members.invite, name="members-invite"),
    path(
        "editor/workspaces/<uuid:workspace_id>/members/invitations/<int:invitation_id>/resend/",
        members.resend,
        name="members-resend",
    ),
    path(
        "editor/workspaces/<uuid:workspace_id>/members/invitations/<int:invitation_id>/withdraw/",
        members.withdraw,
        name="members-withdraw",
    ),
    path(
        "editor/workspaces/<uuid:workspace_id>/members/<int:user_id>/role/",
        members.set_role,
        name="members-role",
    ),
    path(
        "editor/workspaces/<uuid:workspace_id>/members/<int:user_id>/remove/",
        members.remove,
        name="members-remove",
    ),
    path("invitations/<str:code>/", invitations.invitation, name="invitation"),
    path("editor/new/<uuid:workspace_id>/", editor.new_instance, name="editor-new"),
    path("editor/<str:instance_id>/publish/", editor.publish, name="editor-publish"),
    path("editor/<str:instance_id>/settings/", acts.save_settings, name="editor-settings"),
    path("editor/<str:instance_id>/posts/", editor_posts.posts, name="editor-posts"),
    path("editor/<str:instance_id>/new-token/", acts.new_token, name="editor-new-token"),
    path("editor/<str:instance_id>/refresh/", acts.refresh_now, name="editor-refresh"),
    path("editor/<str:instance_id>/connect-link/", connect_link.connect_link, name="editor-connect-link"),
    path(
        "editor/<str:instance_id>/connect-link/<uuid:link_id>/withdraw/",
        connect_link.withdraw,
        name="editor-withdraw-link",
    ),
    path("editor/<str:instance_id>/disconnect/", acts.disconnect, name="editor-disconnect"),
    path("editor/<str:instance_id>/delete/", acts.delete_widget, name="editor-delete"),
    path("editor/<str:instance_id>/design/", design, name="editor-design"),
    path("editor/<str:instance_id>/", editor.instance_detail, name="editor-detail"),
]
