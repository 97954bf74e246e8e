"""The choices of a field that looks them up: whatever is typed there comes in the body of a request.

A name that somebody types into it stands in no address, and so in no log of addresses.
"""

from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponse


class ChoicesView(AutocompleteJsonView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The framework's view, and what it asks the list of the model, read the address.
        request.GET = request.POST
        answer: HttpResponse = self.get(request, *args, **kwargs)
        return answer
