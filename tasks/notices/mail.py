"""Sending mail by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
from email.message import EmailMessage
from pathlib import Path

from culm.core.settings import Settings
from tasks.notices.failures import GaveUp, TryAgain

SECONDS = 30.0
TLS, STARTTLS = "TLS", "STARTTLS"
_PERMANENT = 500


def sender_of(settings: Settings) -> str:
    """The address that notices come from."""
    return settings.smtp_from or f"culm@{socket.getfqdn()}"


def send_mail(message: EmailMessage, settings: Settings) -> None:
    """Hand a message to the mail server.

    Raises:
        GaveUp: the server will never take it.
        TryAgain: it did not take it now.
    """
    try:
        with _connection(settings) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _kind(code)(f"{code} {_text(words)}") from error
    except smtplib.SMTPAuthenticationError as error:
        raise TryAgain(f"{settings.smtp_host} does not take the login") from error
    except smtplib.SMTPResponseException as error:
        raise _kind(error.smtp_code)(f"{error.smtp_code} {_text(error.smtp_error)}") from error
    except (OSError, smtplib.SMTPException) as error:
        place = f"{settings.smtp_host}:{settings.smtp_port}"
        raise TryAgain(f"{place}: {error or type(error).__name__}") from error


def _connection(settings: Settings) -> smtplib.SMTP:
    place = settings.smtp_host, settings.smtp_port
    server: smtplib.SMTP
    if settings.smtp_security == TLS:
        server = smtplib.SMTP_SSL(*place, timeout=SECONDS, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(*place, timeout=SECONDS)
    try:
        if settings.smtp_security == STARTTLS:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            server.login(settings.smtp_user, _password(settings))
    except BaseException:
        server.close()
        raise
    return server


def _password(settings: Settings) -> str:
    return Path(settings.smtp_password_file).expanduser().read_text(encoding="utf-8").strip()


def _kind(code: int) -> type[GaveUp | TryAgain]:
    return GaveUp if code >= _PERMANENT else TryAgain


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words
