"""The way in: password, own password, second factor; only then there is a session.

Until every step is done nobody is logged in: what was reached stands in the anonymous session as an `Entry`, so no page
needs a guard against somebody who is half inside.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

import django_otp
import qrcode
from django import forms
from django.conf import settings
from django.contrib import admin, auth, messages
from django.contrib.auth.forms import SetPasswordForm, UsernameField
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from qrcode.image.svg import SvgPathImage
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from trialsite import formfields, links, people, security, totp
from trialsite.links import Kind
from trialsite.middleware import client_ip
from trialsite.models import RecoveryCode, SecondFactor, SecurityKind, User
from trialsite.reading import read_key
from trialsite.refusal import Refused
from trialsite.signature import checked

View = Callable[..., HttpResponse]
BACKEND = "trialsite.locks.PasswordBackend"
ENTRY, LINK = "entry", "link"
NO_LINK = ("", "", "")
# How long the steps of one login may take.
PATIENCE = dt.timedelta(minutes=15)
# How many links one address may ask for in an hour.
ASKED_AN_HOUR = 20


# --- who is inside ----------------------------------------------------------------------------------


class SecondFactorMiddleware:
    """A session without a second factor is none: it ends, also one from before factors were asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        if settings.SECOND_FACTOR and user.is_authenticated and not user.is_verified():
            auth.logout(request)
        return self.get_response(request)


# --- the steps -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """Somebody who has shown a password, or used a link, and is not inside yet."""

    person_id: int
    # Of the password: when it is another one, the steps begin anew.
    state: str
    at: float
    next: str
    # Whether they came by a link of their own mailbox: only they may set up a factor.
    by_link: bool = False

    @property
    def person(self) -> User:
        return User.objects.get(pk=self.person_id)


def _state(person: User) -> str:
    return salted_hmac("trialsite.entry", person.password).hexdigest()


def _entry(request: HttpRequest) -> Entry | None:
    """What this browser has reached, while it is fresh and the person is who they were."""
    kept = request.session.get(ENTRY)
    entry = Entry(**kept) if kept else None
    if entry is None or timezone.now().timestamp() - entry.at > PATIENCE.total_seconds():
        return None
    person = User.objects.filter(pk=entry.person_id, is_active=True, is_staff=True).first()
    return entry if person is not None and constant_time_compare(entry.state, _state(person)) else None


def begin(request: HttpRequest, person: User, *, by_link: bool = False, next_url: str = "") -> HttpResponse:
    """The password was right, or the link: on to the next step."""
    if request.user.is_authenticated:
        auth.logout(request)
    request.session.cycle_key()
    return _keep(
        request,
        Entry(
            person_id=person.pk,
            state=_state(person),
            at=timezone.now().timestamp(),
            next=next_url or reverse("admin:index"),
            by_link=by_link,
        ),
    )


def _keep(request: HttpRequest, entry: Entry) -> HttpResponse:
    request.session[ENTRY] = asdict(entry)
    step = _step(entry)
    if step:
        return HttpResponseRedirect(reverse(f"admin:{step}"))
    _enter(request, entry)
    return HttpResponseRedirect(entry.next)


def _step(entry: Entry) -> str:
    """The page of what is to be done next; empty when all is done that needs no code."""
    if entry.person.password_chosen_at is None:
        return "first_password"
    if not settings.SECOND_FACTOR:
        return ""
    if people.has_factor(entry.person):
        return "factor"
    return "factor_setup" if entry.by_link else "factor_missing"


def _enter(request: HttpRequest, entry: Entry, factor: SecondFactor | None = None) -> None:
    auth.login(request, entry.person, backend=BACKEND)
    request.session.pop(ENTRY, None)
    if factor is not None:
        django_otp.login(request, factor)


def _page_of(step: str) -> Callable[[Callable[[HttpRequest, Entry], HttpResponse]], View]:
    """The page of one step, for those who stand before it; everybody else is led to where they stand."""

    def decorator(view: Callable[[HttpRequest, Entry], HttpResponse]) -> View:
        @_at_the_door
        @wraps(view)
        def page(request: HttpRequest) -> HttpResponse:
            entry = _entry(request)
            if entry is None:
                if request.session.pop(ENTRY, None):
                    messages.warning(request, _("This login took longer than a quarter of an hour: begin again."))
                return HttpResponseRedirect(reverse("admin:login"))
            if (here := _step(entry)) != step:
                return HttpResponseRedirect(reverse(f"admin:{here}" if here else "admin:login"))
            return view(request, entry)

        return page

    return decorator


def _at_the_door(view: View) -> View:
    """What a page before the login needs: no copy in any cache, no password in any report."""
    return never_cache(csrf_protect(sensitive_post_parameters()(view)))


def _show(request: HttpRequest, *, title: Any, status: int = 200, **context: Any) -> HttpResponse:
    shown = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, "admin/trialsite/door.html", shown, status=status)


# --- password --------------------------------------------------------------------------------------


class LoginForm(AuthenticationForm):
    """User name and password; says what is missing only to who knows the password."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("User name and password do not belong together. Capital and small letters matter."),
    }

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name is not None and password:
            self.user_cache = auth.authenticate(self.request, username=name, password=password, at_login=True)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        if not user.is_staff:
            raise forms.ValidationError(
                [_("You cannot log in yet:"), *people.what_is_missing(user, now=timezone.now())]
            )


class LoginPage(LoginView):
    """The password is the first step, not the login."""

    def form_valid(self, form: Any) -> HttpResponse:
        return begin(self.request, form.get_user(), next_url=self.get_success_url())


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A password of one's own, typed twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if self.user.check_password(password):
            raise forms.ValidationError(_("This is the password of before, which others may know. Choose another one."))
        return password


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """The change that a person makes when logged in."""

    def save(self, commit: bool = True) -> Any:
        people.choose_password(
            person=self.user, password=self.cleaned_data["new_password1"], now=timezone.now(), how="changed"
        )
        return self.user


@_page_of("first_password")
def first_password(request: HttpRequest, entry: Entry) -> HttpResponse:
    """Somebody else has set the password, and may know it: it opens nothing but this page."""
    form = NewPasswordForm(entry.person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        person, password = entry.person, form.cleaned_data["new_password1"]
        people.choose_password(person=person, password=password, now=timezone.now(), request=request, how="first use")
        return begin(request, person, by_link=entry.by_link, next_url=entry.next)
    return _show(
        request,
        title=_("Choose a password of your own"),
        intro=_("Your password was set by somebody else. From now on it is yours alone: your signature depends on it."),
        form=form,
        button=_("Save this password"),
    )


# --- links -----------------------------------------------------------------------------------------


class PresentPasswordForm(forms.Form):
    password = formfields.own_password()

    def __init__(self, person: User, *args: Any, request: HttpRequest) -> None:
        super().__init__(*args)
        self.person, self.request = person, request

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        found = auth.authenticate(self.request, username=self.person.username, password=typed, at_login=True)
        if found is None or found.pk != self.person.pk:
            raise forms.ValidationError(_("This is not your password. Type it again."))
        return ""


@_at_the_door
def open_link(request: HttpRequest) -> HttpResponse:
    """The page of a mailed link. Opening it uses nothing up: mail programs look at links, too."""
    if "t" in request.GET:
        request.session[LINK] = [request.GET.get(name, "") for name in ("k", "p", "t")]
        # The address that stays in the browser's line and history is no secret.
        return HttpResponseRedirect(reverse("admin:link"))
    link = request.session.get(LINK) or NO_LINK
    with transaction.atomic():
        if request.method == "POST":
            # Of two browsers with one link, the second finds it used.
            User.objects.select_for_update(no_key=True).filter(pk=read_key(link[1]) or 0).first()
        person = links.holder(*link)
        if person is not None and link[0] == Kind.PASSWORD:
            return _set_password(request, person)
    return _dead_link(request) if person is None else _set_factor(request, person)


def _set_password(request: HttpRequest, person: User) -> HttpResponse:
    form = NewPasswordForm(person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        password = form.cleaned_data["new_password1"]
        people.choose_password(person=person, password=password, now=timezone.now(), request=request, how="link")
        request.session.pop(LINK, None)
        return begin(request, person, by_link=True)
    return _show(
        request,
        title=_("Set your password"),
        intro=_("Nobody else knows it, the administrator neither: it stands for your signature."),
        username=person.username,
        form=form,
        button=_("Save this password"),
    )


def _set_factor(request: HttpRequest, person: User) -> HttpResponse:
    form = PresentPasswordForm(person, request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        request.session.pop(LINK, None)
        return begin(request, person, by_link=True)
    return _show(
        request,
        title=_("Set up your second factor"),
        intro=_("First your password; then you connect your phone."),
        username=person.username,
        form=form,
        button=_("Continue"),
    )


def _dead_link(request: HttpRequest) -> HttpResponse:
    if request.session.pop(LINK, None):
        security.note(SecurityKind.LINK_DEAD, request=request)
    return _show(
        request,
        title=_("This link is no longer good"),
        intro=_("A link works once, and for %(hours)s hours. Ask for a new one below: it comes by e-mail.")
        % {"hours": settings.PASSWORD_RESET_TIMEOUT // 3600},
        link=(reverse("admin:admin_password_reset"), _("Ask for a new link")),
        status=404,
    )


class AskForm(forms.Form):
    username = UsernameField(
        label=_("User name"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )


@_at_the_door
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """The same answer whether there is such a person or not."""
    form = AskForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _show(
            request,
            title=_("Forgotten your password?"),
            intro=_("Type your user name: a link to set a new password goes to the e-mail that is kept with it."),
            form=form,
            button=_("Mail me a link"),
            back=reverse("admin:login"),
        )
    if _asked_too_often(client_ip(request)):
        return _show(
            request,
            title=_("Too many links were asked for"),
            intro=_("No more links are sent within this hour. Try again later, or call the administrator."),
            back=reverse("admin:login"),
            status=429,
        )
    people.ask_for_link(username=form.cleaned_data["username"].strip(), now=timezone.now(), request=request)
    return _show(
        request,
        title=_("Look into your mailbox"),
        intro=_(
            "If there is such a person, a link is on its way to their e-mail. Nothing came within ten minutes? Look "
            "into the spam folder; else call the administrator: the name or the e-mail may be another one."
        ),
        back=reverse("admin:login"),
    )


def _asked_too_often(ip: str) -> bool:
    key = f"links-asked:{salted_hmac('trialsite.links', ip).hexdigest()[:32]}"
    cache.add(key, 0, timeout=3600)
    try:
        return cache.incr(key) > ASKED_AN_HOUR
    except ValueError:  # it ran out this very moment
        return False


# --- second factor ---------------------------------------------------------------------------------


class CodeForm(forms.Form):
    """The code of the telephone; wrong ones make the person wait, longer each time."""

    code = forms.CharField(
        label=pgettext_lazy("second factor", "Code"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "characters",
                "autofocus": "",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, factor: SecondFactor, *args: Any, request: HttpRequest) -> None:
        super().__init__(*args)
        self.factor, self.request = factor, request

    def clean_code(self) -> str:
        """Raises when the code is wrong, was used already, or comes while one has to wait."""
        code: str = self.cleaned_data["code"]
        if wait := people.wait_of(self.factor):
            raise forms.ValidationError(
                ngettext(
                    "After wrong codes no code is looked at for %(n)s second. Wait, then type the newest one.",
                    "After wrong codes no code is looked at for %(n)s seconds. Wait, then type the newest one.",
                    wait,
                )
                % {"n": wait}
            )
        person = self.factor.user
        if django_otp.verify_token(person, self.factor.persistent_id, code) is None:
            security.note(SecurityKind.FACTOR_FAILED, person=person, request=self.request)
            raise forms.ValidationError(
                _("This code is wrong, or was used already. Wait for the next one on your phone, and type it.")
            )
        return code


@_page_of("factor")
def factor(request: HttpRequest, entry: Entry) -> HttpResponse:
    found = entry.person.factor
    form = CodeForm(found, request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        _enter(request, entry, found)
        if not totp.is_of_the_clock(form.cleaned_data["code"]):
            _say_what_is_left(request, found)
        return HttpResponseRedirect(entry.next)
    return _show(
        request,
        title=_("The code of your phone"),
        intro=_("Open the app on your phone that you connected to Trialsite, and type the six digits it shows now."),
        form=form,
        button=_("Log in"),
        after=_(
            "No phone at hand? Type one of your recovery codes instead. No code left either? The administrator of your "
            "site takes the lost phone away, and you are mailed a link to connect another one."
        ),
        back=reverse("admin:login"),
    )


def _say_what_is_left(request: HttpRequest, found: SecondFactor) -> None:
    left = RecoveryCode.objects.filter(factor=found, used_at=None).count()
    security.note(SecurityKind.RECOVERY_USED, person=found.user, request=request, left=left)
    words = ngettext(
        "You used a recovery code; %(n)s is left. New ones: “Recovery codes” in the menu of your name.",
        "You used a recovery code; %(n)s are left. New ones: “Recovery codes” in the menu of your name.",
        left,
    )
    messages.warning(request, words % {"n": left})


@_page_of("factor_missing")
def factor_missing(request: HttpRequest, entry: Entry) -> HttpResponse:
    """A password alone sets up no factor: a guesser would connect a phone of their own."""
    if request.method != "POST":
        return _show(
            request,
            title=_("A second factor is missing"),
            intro=_(
                "Besides your password you need a code of your phone. To connect your phone, a link is mailed to you: "
                "so nobody who found your password can connect another one."
            ),
            button=_("Mail me the link"),
            back=reverse("admin:login"),
        )
    try:
        people.send_own_link(person=entry.person, kind=Kind.FACTOR, now=timezone.now(), request=request)
    except Refused as refusal:
        return _show(
            request, title=_("No link was sent"), intro=" ".join(refusal.messages), back=reverse("admin:login")
        )
    return _show(
        request,
        title=_("Look into your mailbox"),
        intro=_(
            "A link is on its way to the e-mail that is kept with your name; open it on this or another computer. "
            "Nothing came within ten minutes? Call the administrator: the e-mail may be another one."
        ),
        back=reverse("admin:login"),
    )


@_page_of("factor_setup")
def factor_setup(request: HttpRequest, entry: Entry) -> HttpResponse:
    found = people.begun_factor(entry.person)
    form = CodeForm(found, request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        codes = people.confirm_factor(factor=found, now=timezone.now(), request=request)
        _enter(request, entry, found)
        return _show_codes(request, codes, entry.next)
    return _show(
        request,
        title=_("Connect your phone"),
        intro=_(
            "1. On your phone, open an app for one-time codes (TOTP). Any will do: Microsoft Authenticator, or a mini "
            "program of WeChat that is called authenticator."
        ),
        picture=_qr(totp.address(found.key, name=entry.person.username)),
        secret=totp.spelled(found.key),
        form=form,
        button=_("Connect"),
    )


def _qr(text: str) -> str:
    """The picture, as part of the page: it is the secret itself, and no address of it may exist."""
    return mark_safe(qrcode.make(text, image_factory=SvgPathImage, box_size=14).to_string(encoding="unicode"))


def _show_codes(request: HttpRequest, codes: list[str], on: str) -> HttpResponse:
    return _show(
        request,
        title=_("Your ten recovery codes"),
        intro=_(
            "Print this page or write the codes down, and keep them apart from your phone. Each opens the door once "
            "when the phone is lost. They are shown now and never again."
        ),
        codes=codes,
        link=(on, _("I have kept them: continue")),
    )


class NewCodesForm(CodeForm):
    password = formfields.own_password()
    field_order = ("password", "code")

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        if checked(self.request, username=self.factor.user.username, password=typed) is None:
            raise forms.ValidationError(_("This is not your password. Type it again."))
        return ""

    def clean_code(self) -> str:
        """Looked at once the password is right: a code is good once."""
        return "" if self.errors else super().clean_code()


@never_cache
@sensitive_post_parameters()
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New ones in the place of those that are used up or lost."""
    person: Any = request.user
    found = SecondFactor.objects.filter(user=person, confirmed=True).first()
    if found is None:
        return _show(
            request,
            title=_("Recovery codes"),
            intro=_("You have no second factor: on this site nobody is asked for one."),
            back=reverse("admin:index"),
        )
    form = NewCodesForm(found, request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        codes = people.new_codes(factor=found)
        security.note(SecurityKind.RECOVERY_MADE, person=person, request=request)
        return _show_codes(request, codes, reverse("admin:index"))
    left = RecoveryCode.objects.filter(factor=found, used_at=None).count()
    return _show(
        request,
        title=_("Recovery codes"),
        intro=ngettext(
            "%(n)s code is left. Ten new ones take its place.",
            "%(n)s codes are left. Ten new ones take their place.",
            left,
        )
        % {"n": left},
        form=form,
        button=_("Make ten new codes"),
        back=reverse("admin:index"),
    )
