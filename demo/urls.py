from django.urls import path

from demo import views

urlpatterns = [
    path("", views.start, name="home"),
    path("demo/publisher/", views.publisher, name="demo-publisher"),
    path("demo/reserved-space.css", views.reserved_space, name="demo-reserved-space"),
]
