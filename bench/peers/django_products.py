"""Django REST framework: products, in the same table as Postern's.

No more of Django than it takes: one middleware, no browsable API, connections that stay open.
"""

import os
from decimal import Decimal
from typing import Any

import django
import jwt
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import IntegrityError, models
from django.urls import path
from django.utils import timezone

from bench.peers.common import envelope, verified

settings.configure(
    SECRET_KEY=os.environ["JWT_SECRET"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # it sets Content-Length
    INSTALLED_APPS=["rest_framework"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": "PRAGMA synchronous=NORMAL"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from rest_framework import (  # noqa: E402
    authentication,
    exceptions,
    generics,
    pagination,
    permissions,
    serializers,
)
from rest_framework.response import Response  # noqa: E402


class Cents(models.BigIntegerField):
    """Money, as a whole number of cents in the database."""

    def from_db_value(self, value: int | None, *args: Any) -> Decimal | None:
        return value if value is None else Decimal(value).scaleb(-2)

    def get_prep_value(self, value: Decimal | None) -> int | None:
        return value if value is None else int(value * 100)


class Product(models.Model):
    name = models.CharField(max_length=200)
    price = Cents()
    description = models.TextField(default="")
    stock = models.BigIntegerField(default=0)
    category = models.CharField(max_length=100, null=True)
    created_at = models.DateTimeField(default=timezone.now)
    version = models.IntegerField(default=1)

    class Meta:
        app_label = "bench"
        db_table = "products"
        managed = False

    @property
    def in_stock(self) -> bool:
        return self.stock > 0


class ProductSerializer(serializers.ModelSerializer):
    price = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0)
    stock = serializers.IntegerField(min_value=0, default=0)
    in_stock = serializers.ReadOnlyField()

    class Meta:
        model = Product
        fields = (
            "id",
            "name",
            "price",
            "description",
            "stock",
            "in_stock",
            "category",
            "created_at",
        )
        read_only_fields = ("created_at",)


class Caller:
    """Whom a token names."""

    is_authenticated = True

    def __init__(self, role: str) -> None:
        self.role = role


class Bearer(authentication.BaseAuthentication):
    def authenticate(self, request: Any) -> tuple[Caller, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return Caller(verified(token)["role"]), token
        except jwt.InvalidTokenError as error:
            raise exceptions.AuthenticationFailed from error

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


class MayWrite(permissions.BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return request.method in permissions.SAFE_METHODS or request.user.role in ("user", "admin")


class Pages(pagination.LimitOffsetPagination):
    default_limit = 10
    max_limit = 100
    offset_query_param = "skip"

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"items": data, "total": self.count, "skip": self.offset, "limit": self.limit}
        )


class Products:
    """What both views are made with, and the envelope around their answers."""

    queryset = Product.objects.order_by("id")
    serializer_class = ProductSerializer
    pagination_class = Pages
    authentication_classes = (Bearer,)
    permission_classes = (permissions.IsAuthenticated, MayWrite)

    def finalize_response(
        self, request: Any, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        if not response.exception:
            response.data = envelope(response.data, request.headers.get("X-Request-ID"))
        return super().finalize_response(request, response, *args, **kwargs)


class Conflict(exceptions.APIException):
    status_code = 409
    default_detail = "There is such a product already."


class ProductList(Products, generics.ListCreateAPIView):
    def perform_create(self, serializer: ProductSerializer) -> None:
        try:
            serializer.save()
        except IntegrityError as error:
            raise Conflict from error


class ProductItem(Products, generics.RetrieveAPIView): ...


urlpatterns = [
    path("api/v1/products", ProductList.as_view()),
    path("api/v1/products/<int:pk>", ProductItem.as_view()),
]
application = get_wsgi_application()
