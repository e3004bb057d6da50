"""Django settings: one file, read from the environment, with defaults that run from a fresh clone.

Every variable is listed in `docs/configuration.md`.
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from chatsite.env import (
    env_bool,
    env_choice,
    env_float,
    env_int,
    env_list,
    env_str,
    env_time_zone,
    secret_key,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_str("CHATSITE_DATA_DIR", str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = secret_key(DATA_DIR / "secret_key")
TESTING = "pytest" in sys.modules

# --- Addresses ------------------------------------------------------------------------------------
# Full origins (scheme://host:port) that may open a socket or post a form. None: the request's own.
CHATSITE_ORIGINS = [origin.rstrip("/").lower() for origin in env_list("CHATSITE_ORIGINS")]
_HTTPS = any(origin.startswith("https://") for origin in CHATSITE_ORIGINS)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or sorted(
    {"localhost", "127.0.0.1", "[::1]"}
    | {host for host in (urlsplit(origin).hostname for origin in CHATSITE_ORIGINS) if host}
)
CSRF_TRUSTED_ORIGINS = CHATSITE_ORIGINS

# --- Applications ---------------------------------------------------------------------------------
# `inference` stands before `channels` and `daphne`: its runworker and runserver replace theirs.
INSTALLED_APPS = [
    "inference",
    "chatsite.accounts",
    "chatsite.chat",
    "daphne",
    "channels",
    "csp",
    "whitenoise.runserver_nostatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chatsite.chat.notices.site_notice",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env_str("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}"),
        conn_max_age=60,
        conn_health_checks=True,  # after a restart of the server nobody meets a dead connection
    )
}
_IS_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if _IS_SQLITE:
    # IMMEDIATE: a transaction that reads before it writes fails at once under DEFERRED, whatever
    # the
    # timeout. WAL: readers never wait for the writer.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # In memory, each thread would see a database of its own; the site's threads share one.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # A server that vanished without a word is noticed in seconds, not in a quarter of an hour.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        # A process that is frozen in a transaction holds its locks for so long, not for ever.
        "options": "-c idle_in_transaction_session_timeout=5000",
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Channel layer --------------------------------------------------------------------------------
REDIS_URL = env_str("REDIS_URL")
if REDIS_URL:
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "inference.channel_layer.PipelinedPubSubLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": REDIS_URL,
                        # redis-py 8 reads for 5 s by default, which ends an idle blocking read; no
                        # limit at all would let a frozen Redis hang a send for ever.
                        "socket_timeout": 30,
                        "socket_connect_timeout": 5,
                        "socket_keepalive": True,
                        "health_check_interval": 15,
                        "max_connections": 1000,
                    }
                ],
                "prefix": "chatsite",
            },
        }
    }
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            "CONFIG": {"capacity": 10_000},
        }
    }

# --- Accounts and sessions ------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "chat"
LOGOUT_REDIRECT_URL = "chat"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
CHATSITE_ALLOW_GUESTS = env_bool("CHATSITE_ALLOW_GUESTS", True)
# What is kept of what people think of answers (`chatsite.chat.feedback.Mode`).
CHATSITE_FEEDBACK = env_choice("CHATSITE_FEEDBACK", "ratings", ("texts", "ratings", "off"))

# --- Transport and headers ------------------------------------------------------------------------
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 63_072_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Languages, time, static files ----------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
# Whose midnight a day of usage and quotas begins at, and what the admin tells times in.
TIME_ZONE = env_time_zone("CHATSITE_TIME_ZONE", "UTC")
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns about a missing one
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "chatsite.storage.HashedStaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# --- Inference (read by inference/conf.py only) ---------------------------------------------------
INFERENCE_RECORDER = "chatsite.chat.recorder.record_ended"
INFERENCE_ENGINE = env_str("CHATSITE_ENGINE", "local")
INFERENCE_MODEL = env_str("CHATSITE_MODEL", str(BASE_DIR / "inference" / "demo_model" / "weights"))
INFERENCE_DEVICE = env_str("CHATSITE_DEVICE", "auto")
INFERENCE_DTYPE = env_str("CHATSITE_DTYPE", "auto")
INFERENCE_MAX_MODEL_LEN = env_int("CHATSITE_MAX_MODEL_LEN", 0)
INFERENCE_SLOTS = env_int("CHATSITE_SLOTS", 0)
INFERENCE_THREADS = env_int("CHATSITE_THREADS", 0)
INFERENCE_ISOLATE_USERS = env_bool("CHATSITE_ISOLATE_USERS", False)
INFERENCE_CHAT_TEMPLATE = env_str("CHATSITE_CHAT_TEMPLATE")
INFERENCE_MOCK_RATE = env_float("CHATSITE_MOCK_RATE", 20.0)
# Counts for /metrics go to the database from a thread, which no test's database shall meet.
INFERENCE_KEEP_METRICS = not TESTING
INFERENCE_STAFF_SEE_TEXTS = env_bool("CHATSITE_STAFF_SEE_TEXTS", False)
INFERENCE_KEEP_REQUESTS_DAYS = env_int("CHATSITE_KEEP_REQUESTS_DAYS", 90)
# First values of the policy row; afterwards it is edited in the admin.
INFERENCE_POLICY_DEFAULTS = {
    "max_running": env_int("CHATSITE_MAX_RUNNING", 4, minimum=1),
    "max_waiting": env_int("CHATSITE_MAX_WAITING", 100),
    "max_running_per_user": env_int("CHATSITE_MAX_RUNNING_PER_USER", 2),
    "max_waiting_per_user": env_int("CHATSITE_MAX_WAITING_PER_USER", 5),
    "max_new_tokens": env_int("CHATSITE_MAX_NEW_TOKENS", 1024, minimum=1),
}

# --- Watching the site ----------------------------------------------------------------------------
CHATSITE_METRICS_TOKEN = env_str("CHATSITE_METRICS_TOKEN")
CHATSITE_LOG_FORMAT = env_choice("CHATSITE_LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_probes": {"()": "chatsite.logs.WithoutProbes"}},
    "formatters": {
        "text": {"()": "chatsite.logs.TextFormatter"},
        "json": {"()": "chatsite.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": CHATSITE_LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "chatsite": {"level": "INFO"},
        "inference": {"level": "INFO"},
        "django.channels.worker": {"level": "INFO"},
        "django.request": {"filters": ["without_probes"]},
    },
}
