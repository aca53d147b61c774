"""The sign-in page: the address first, because it decides how one goes on; then the password, or somewhere else."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.utils import get_next_redirect_url
from allauth.account.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from portal import sign_on
from portal.forms.sign_in import AddressForm
from tenants import sso
from tenants.models import IdentityProvider

WITH_PASSWORD = "with"


class SignInView(LoginView):
    """Address, then password. `?with=password` asks for both at once, also where people sign in elsewhere:
    the way in for global administrators when their identity provider is out of order.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "password" in request.POST:
            response: HttpResponse = super().post(request, *args, **kwargs)
            return response
        address_form = AddressForm(request.POST)
        if not address_form.is_valid():
            return self._render_address(address_form)
        address = address_form.cleaned_data["login"]
        provider = sso.provider_for_address(address)
        if provider is not None and provider.use == IdentityProvider.Use.ENFORCED:
            return sign_on.ask(request, provider, next_url=self._next(), address=address)
        return self._render_password(address, provider)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        both = self.request.method == "POST" or self.request.GET.get(WITH_PASSWORD) == "password"
        if not both and "address_form" not in kwargs:
            context["address_form"] = AddressForm(initial={"login": self.request.GET.get("address", "")})
        next_url = self._next()
        context["guest_url"] = reverse("guest") + (f"?{urlencode({'next': next_url})}" if next_url else "")
        context["again"] = reverse("account_login") + (
            f"?{urlencode({'next': next_url})}" if next_url else ""
        )
        return context

    def _render_address(self, form: AddressForm) -> HttpResponse:
        response: HttpResponse = self.render_to_response(
            self.get_context_data(form=self._empty_form(), address_form=form)
        )
        return response

    def _render_password(self, address: str, provider: IdentityProvider | None) -> HttpResponse:
        if provider is not None:
            sign_on.note_asked(self.request, provider, next_url=self._next(), address=address)
        form = self._empty_form({"login": address})
        form.fields["password"].widget.attrs["autofocus"] = True
        form.fields["login"].widget.attrs.pop("autofocus", None)
        response: HttpResponse = self.render_to_response(self.get_context_data(form=form, provider=provider))
        return response

    def _empty_form(self, initial: dict[str, str] | None = None) -> Any:
        return self.get_form_class()(request=self.request, initial=initial)

    def _next(self) -> str:
        return get_next_redirect_url(self.request) or ""
