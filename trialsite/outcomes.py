"""What can become of a message that was handed to a server, besides arriving."""


class NotDelivered(Exception):
    """The server's words, without addresses."""


class ServerDown(NotDelivered):
    """It is not about this message: nobody answers, or the server takes nothing from us now."""


class Interrupted(NotDelivered):
    """The conversation ended before the server had the message: whose fault it was is not known yet."""


class NotNow(NotDelivered):
    """The server took it for this recipient not now, and says so."""


class Never(NotDelivered):
    """It will not be taken however often it is tried."""


class Unsendable(Never):
    """No server was asked: there is nobody to send it to, or it cannot be written as a mail."""


class FateUnknown(NotDelivered):
    """The server had all of it, and has not said whether it keeps it."""


class LeaseLost(Exception):
    """Somebody else has taken the message meanwhile: whoever stood still for so long keeps their hands off it."""
