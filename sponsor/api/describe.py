"""What the description says of errors, in the words of `trialsite.problems`."""

from typing import Any

from django.utils.translation import override
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from trialsite.problems import ADDRESS, KINDS, MEDIA_TYPE


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem as RFC 9457 has it."""

    type = serializers.CharField(help_text="For programs: an address at which this kind is explained.")
    title = serializers.CharField(help_text="The kind, in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="This case, in words.")
    instance = serializers.CharField(help_text="What was asked for, without its query.")
    errors = serializers.DictField(  # type: ignore[assignment]  # the library's is of what comes in
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Of parameters, under the name of each.",
    )


@override("en")
def _examples(status: int) -> list[OpenApiExample]:
    return [
        OpenApiExample(
            name,
            media_type=MEDIA_TYPE,
            value={
                "type": f"{ADDRESS}{name}/",
                "title": str(kind.title),
                "status": status,
                "detail": str(kind.remedy),
                "instance": "/api/v1/visits/",
            },
        )
        for name, kind in KINDS.items()
        if kind.status == status
    ]


def _error(status: int, description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description, examples=_examples(status))


# Under the media type of problems.
ERRORS: dict[Any, OpenApiResponse] = {
    (400, MEDIA_TYPE): _error(400, "A parameter that cannot be taken."),
    (401, MEDIA_TYPE): _error(401, "No token, or one that is not or no longer good."),
    (403, MEDIA_TYPE): _error(403, "A token of somebody who is no program of the sponsor, or without the scope."),
    (404, MEDIA_TYPE): _error(404, "No such row."),
    (406, MEDIA_TYPE): _error(406, "JSON is all that there is."),
    (429, MEDIA_TYPE): _error(429, "See Retry-After."),
}
UNCHANGED = OpenApiResponse(description="The same rows as under the ETag that was sent; without a body.")
