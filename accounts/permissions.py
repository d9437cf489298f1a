"""Who may do what, beyond what a queryset's `visible_to` says."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponseBase

from accounts.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(request: HttpRequest) -> User:
    """The person behind a view that requires sign-in."""
    if isinstance(request.user, AnonymousUser):
        raise Http404
    return request.user


def trail_reader_required(view: View[P]) -> View[P]:
    """Sign-in first; to everybody else the page does not exist."""
    return _for_those_who(lambda user: user.reads_trail, view)


def reviewer_required(view: View[P]) -> View[P]:
    """Sign-in first; to everybody but moderators and administrators the page does not exist."""
    return _for_those_who(lambda user: user.is_reviewer, view)


def administrator_required(view: View[P]) -> View[P]:
    """Sign-in first; to everybody but administrators the page does not exist."""
    return _for_those_who(lambda user: user.is_superuser, view)


def _for_those_who(may: Callable[[User], bool], view: View[P]) -> View[P]:
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not (isinstance(request.user, User) and may(request.user)):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded
