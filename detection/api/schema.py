"""How the API's operations are described: `GET /api/schema/`, OpenAPI 3.1."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from deepfake_site.problems import MEDIA_TYPE
from detection import waiting
from detection.api.shapes import Shape, ref

JSON = "application/json"
FORM = "multipart/form-data"

# Every operation may answer so.
ALWAYS = (400, 401, 403, 429, 503)
PROBLEMS = {
    400: "Malformed: `errors` names the fields, or `code` says what else.",
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key lacks the scope.",
    404: "There is no such thing, or none that you may see.",
    405: "No such method.",
    409: "Not in this state; `code` says why.",
    410: "It has ended.",
    412: "Another version of the protocol than 1.0.0.",
    413: "Too large.",
    415: "Not a photograph this desk reads, or a body of another type.",
    422: "Understood, and not possible: `code` says why.",
    423: "Another request writes here in this moment.",
    429: "Too many requests: wait for `Retry-After` seconds.",
    460: "The bytes do not have the checksum that was sent; they were not kept.",
    503: "Not now: try again after `Retry-After` seconds.",
    507: "The storage of this desk is full.",
}
WAIT = OpenApiParameter(
    "Prefer",
    {"type": "string", "examples": ["wait=20"]},
    OpenApiParameter.HEADER,
    description=f"`wait=N`, N ≤ {waiting.MAX_WAIT_S}: hold the answer until there is a verdict. "
    "`Preference-Applied` says whether it was.",
)
ONCE = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    OpenApiParameter.HEADER,
    description="The same key with the same body gets the first answer again and does nothing; "
    "kept for 48 hours.",
)


def operation(
    name: str,
    *,
    tag: str,
    answers: Mapping[int, str | Shape | None],
    problems: Iterable[int] = (),
    body: Mapping[str, Any] | None = None,
    parameters: Iterable[OpenApiParameter] = (),
) -> Callable[[Any], Any]:
    """Describe one method of a view, whose docstring is the description.

    A parameter in the address that is not described, or comes twice, is refused: a filter that was
    misspelt would otherwise give everything.

    Args:
        name: the operation's id.
        answers: by status, the name of a shape, a shape, or None for an empty body.
        problems: statuses of errors beside those that every operation may answer with.
        body: by media type, the shape of the request's body.
    """
    responses: dict[Any, Any] = {}
    for status, shape in answers.items():
        if shape is None:
            responses[status] = OpenApiResponse(description="Done.")
        else:
            shown = ref(shape) if isinstance(shape, str) else shape
            responses[status, JSON] = OpenApiResponse(shown, description="")
    for status in sorted({*ALWAYS, *problems}):
        responses[status, MEDIA_TYPE] = OpenApiResponse(
            ref("Problem"), description=PROBLEMS[status]
        )
    described = list(parameters)
    known = {one.name for one in described if one.location == OpenApiParameter.QUERY}

    def described_as_it_is(method: Any) -> Any:
        @functools.wraps(method)
        def checked(view: Any, request: Request, *args: Any, **named: Any) -> Any:
            _refuse_unknown(request, known)
            return method(view, request, *args, **named)

        return extend_schema(
            operation_id=name, tags=[tag], request=body, responses=responses, parameters=described
        )(checked)

    return described_as_it_is


def _refuse_unknown(request: Request, known: set[str]) -> None:
    wrong = {
        name: "There is no such parameter." if name not in known else "Given more than once."
        for name, values in request.query_params.lists()
        if name not in known or len(values) > 1
    }
    if wrong:
        raise ValidationError(wrong)


FLAG = ["true", "false"]


def flag(request: Request, name: str, *, default: bool) -> bool:
    """What a parameter in the address says that is `true` or `false`.

    Raises:
        ValidationError: it says something else.
    """
    said = request.query_params.get(name, FLAG[not default])
    if said not in FLAG:
        raise ValidationError({name: "true or false."})
    return said == "true"


def query(name: str, about: str, **shape: Any) -> OpenApiParameter:
    """An optional parameter in the address."""
    return OpenApiParameter(name, {"type": "string", **shape}, description=about)


class KeyScheme(OpenApiAuthenticationExtension):
    """How the document names our keys."""

    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`umk_…`, made on /keys"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How the document names a page's session."""

    target_class = "accounts.authentication.PageSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A signed-in page; what changes something needs `X-CSRFToken` too.",
        }
