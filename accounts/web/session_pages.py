"""A person's own sessions: the list is allauth's, the end of one is here."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.permissions import signed_in
from accounts.sessions import end_these


@login_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    user = signed_in(request)
    session = get_object_or_404(UserSession, pk=pk, user=user)
    if session.is_current():
        return redirect("account_logout")
    end_these([session], by=user)
    messages.success(request, _("That session is signed out."))
    return redirect("usersessions_list")
