"""Everything that differs between machines comes from the environment; .env.example explains each variable."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pghistory
from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF

from trialsite import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent
# Which software it was stands on every print.
SOFTWARE_VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

# On one's own machine: plain HTTP, demo data. Django's own DEBUG stays off there, too: its pages would show whoever
# meets an error the settings, and the names that the code just held.
LOCAL = env.boolean("LOCAL", False)
SECRET_KEY = env.text("SECRET_KEY")
# They verify signatures of before, and nothing else: no session or form of theirs is good any more.
FORMER_SECRET_KEYS = env.words("FORMER_SECRET_KEYS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if LOCAL else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# --- Trialsite ---------------------------------------------------------------------------------
# One study per installation; another trial is another folder under trialsite/studies/.
STUDY = env.text("STUDY", "nct07072494")
# Where people reach the site: links in e-mails start with it.
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
# Keys of the identity fields, newest first: 64 random bytes in base64 each. Losing them loses the names.
FIELD_KEYS = [key.strip() for key in env.text("FIELD_KEYS").split(",") if key.strip()]
# The database role that the web and worker processes use; it cannot change or delete audit rows.
APP_DATABASE_ROLE = env.text("APP_DATABASE_ROLE", "trialsite_app")
# A sweep that has been silent for longer than this turns /readyz and the first page red.
SWEEP_SILENCE = timedelta(minutes=15)
# So does a message that has waited for longer than this, and an alert much earlier.
MAIL_SILENCE, ALERT_SILENCE = timedelta(minutes=10), timedelta(minutes=2)
# For how long a sender keeps a message for itself without a sign of life; then another sends it.
NOTIFICATION_LEASE_SECONDS = env.integer("NOTIFICATION_LEASE_SECONDS", 60)
# The hospital's own way for alerts that nobody may miss: a command, or the address of a webhook.
SECOND_CHANNEL = env.text("SECOND_CHANNEL", "")
# Where the site keeps its copy of the schemas of E2B(R3): each case report is held against them before it leaves.
E2BR3_SCHEMA_DIR = Path(folder) if (folder := env.text("E2BR3_SCHEMA_DIR", "")) else None
# Where the files of snapshots lie: the same folder for web and worker. After so many days their files are removed.
SNAPSHOT_DIR = Path(env.text("SNAPSHOT_DIR", str(BASE_DIR / "var" / "snapshots")))
SNAPSHOT_DAYS = env.integer("SNAPSHOT_DAYS", 90)
# For how long a worker keeps a snapshot for itself without a sign of life; then another begins it anew.
SNAPSHOT_LEASE_SECONDS = env.integer("SNAPSHOT_LEASE_SECONDS", 120)
# Where backups go and for how many days they stay; and whose public key closes them, so that this machine cannot open
# them again.
BACKUP_DIR = Path(folder) if (folder := env.text("BACKUP_DIR", "")) else BASE_DIR / "var" / "backups" if LOCAL else None
BACKUP_KEEP_DAYS = env.integer("BACKUP_KEEP_DAYS", 30)
BACKUP_PUBLIC_KEY = Path(file) if (file := env.text("BACKUP_PUBLIC_KEY", "")) else None
# Which file worker, beat and watch touch while they work, for whoever checks their health without asking them.
HEARTBEAT_FILE = Path(file) if (file := env.text("HEARTBEAT_FILE", "")) else None
# What a program must send as Authorization: Bearer … to read /metrics; without one nobody does.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

INSTALLED_APPS = [
    # Before ours, which takes its admin page away again.
    "knox",
    "trialsite.apps.TrialsiteConfig",
    "participants.apps.ParticipantsConfig",
    "dosing.apps.DosingConfig",
    "safety.apps.SafetyConfig",
    "sponsor.apps.SponsorConfig",
    "demo.apps.DemoConfig",
    # The theme, before the admin whose templates it replaces. The basic configuration: the default one
    # would put a site of its own in the place of ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "trialsite.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    # For the indexes of the search.
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "pgtrigger",
    "pghistory",
    "django_otp",
    "csp",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "trialsite.middleware.WatchedMiddleware",
    "trialsite.middleware.NeedsTlsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "trialsite.headers.PolicyMiddleware",
    "trialsite.headers.HeadersMiddleware",
    "trialsite.sessions.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "trialsite.login.SecondFactorMiddleware",
    "trialsite.middleware.UserLanguageMiddleware",
    "trialsite.middleware.AuditContextMiddleware",
    "participants.middleware.NamesBesideMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "trialsite.locks.LockMiddleware",
]

ROOT_URLCONF = "trialsite.urls"
WSGI_APPLICATION = "trialsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Data --------------------------------------------------------------------------------------
# A password may stand beside its address: there it may have any letters.
DATABASES = {"default": env.database(env.text("DATABASE_URL"), env.text("DATABASE_PASSWORD", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Where the units of measurement are kept as the library has read them; in production nothing is written.
UNITS_CACHE = BASE_DIR / "var" / "cache" if LOCAL else None
REDIS_URL = env.broker(env.text("REDIS_URL"), env.text("REDIS_PASSWORD", ""))
CACHES = {
    # The database keeps the API's throttle counts: a broker that is down must not turn reads into errors.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # More callers than will ever ask within a minute: past this many, counts are forgotten.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# Who, from where and why stand in the audit row itself, so that the whole row is beyond change.
PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()
PGHISTORY_CONTEXT_ID_FIELD = pghistory.ContextUUIDField()
PGHISTORY_APPEND_ONLY = True
PGHISTORY_JSON_ENCODER = "trialsite.guards.SignedContext"
PGHISTORY_BASE_MODEL = "trialsite.models.Event"
PGHISTORY_CREATED_AT_FUNCTION = "clock_timestamp()"
PGHISTORY_DEFAULT_TRACKERS = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())

# --- People ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "trialsite.User"
AUTHENTICATION_BACKENDS = ["trialsite.locks.PasswordBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "trialsite.passwordwords.LongEnoughValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "trialsite.passwordwords.HouseWordsValidator"},
]
# What was done may name a participant's number: it waits with the session, not in a cookie of its own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# How long a mailed link to set a password is good; it works once.
PASSWORD_RESET_TIMEOUT = env.integer("LINK_HOURS", 24) * 3600
# Besides the password, the code of a telephone: for everybody but the demo's people, whose passwords are known.
SECOND_FACTOR = env.boolean("SECOND_FACTOR", not LOCAL)
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "trialsite.sessions"
# A login ends when nobody has clicked for so long, and after so many hours whatever is clicked.
SESSION_COOKIE_AGE = env.integer("SESSION_MINUTES", 60) * 60
SESSION_LASTS = timedelta(hours=env.integer("SESSION_HOURS", 12))
SESSION_SAVE_EVERY_REQUEST = True

# --- Languages and time ------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = logs.ZONE
USE_TZ = True
FORMAT_MODULE_PATH = ["trialsite.formats"]

# --- Static files ------------------------------------------------------------------------------
STATIC_URL = "static/"
# While developing, files are served from where they lie, and nothing is collected.
STATIC_ROOT = None if LOCAL else BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "trialsite" / "static"]
WHITENOISE_USE_FINDERS = LOCAL
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if LOCAL
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- Safety of the transport -------------------------------------------------------------------
# A trial with invented people, on a machine of another name than one's own: passwords go over the network in clear.
WITHOUT_TLS = env.boolean("WITHOUT_TLS", LOCAL)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not WITHOUT_TLS
LANGUAGE_COOKIE_SAMESITE = "Lax"
if not WITHOUT_TLS:
    # A browser takes a cookie of such a name over TLS alone, from this very host, and shows it to no other.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrftoken"
    LANGUAGE_COOKIE_NAME = "__Host-language"
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", not WITHOUT_TLS)
SECURE_HSTS_SECONDS = 0 if WITHOUT_TLS else env.integer("SECURE_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not WITHOUT_TLS
# The health checks are asked inside the network, without TLS. A program that asks the API without it is told so: one
# that was sent on would hand out its token in clear for ever, and nobody would notice.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^api/"]
BEHIND_TLS_PROXY = env.boolean("BEHIND_TLS_PROXY", not WITHOUT_TLS)
if BEHIND_TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many trusted proxies stand before us: whose word about the caller's address counts.
NUM_PROXIES = env.integer("NUM_PROXIES", 0)
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "trialsite.once.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # What stands in a page runs and is styled only with the nonce of its answer. Pages with the theme's Alpine.js,
        # and no others, may evaluate text: see PolicyMiddleware.
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
    }
}

# --- E-mail ------------------------------------------------------------------------------------
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
locals().update(env.email(env.text("EMAIL_URL"), env.text("EMAIL_PASSWORD", "")))
# How long to wait for a connection, and how long for the whole conversation about one message, up to its last dot.
EMAIL_TIMEOUT = 20
EMAIL_CONVERSATION_SECONDS = env.integer("EMAIL_CONVERSATION_SECONDS", 60)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "Trialsite <trialsite@localhost>")

# --- Tasks -------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A publish must not hold a nurse's save for long when the broker is down: the sweep will find the row.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "global_keyprefix": env.text("REDIS_PREFIX", ""),
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE
# Writes a sign of life, too: see there.
CELERY_BEAT_SCHEDULER = "trialsite.dispatching:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = env.text("BEAT_SCHEDULE_FILE", str(BASE_DIR / "var" / "beat" / "schedule"))
# Sweeps: each finds rows that are due and may run twice, late, or beside itself. An unsent run
# expires before the next, so that a long silence does not end in a queue of equal sweeps.
CELERY_BEAT_SCHEDULE = {
    "visit-reminders": {
        "task": "participants.tasks.sweep_visit_reminders",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 290},
    },
    "consents-again": {
        "task": "participants.tasks.sweep_reconsents",
        "schedule": crontab(minute="2-59/5"),
        "options": {"expires": 290},
    },
    "eligibility": {
        "task": "participants.tasks.sweep_eligibility",
        "schedule": crontab(minute="3-59/5"),
        "options": {"expires": 290},
    },
    "imports": {
        "task": "participants.tasks.run_imports",
        "schedule": crontab(minute="4-59/5"),
        "options": {"expires": 290},
    },
    "bedside-rounds": {
        "task": "safety.tasks.sweep_rounds",
        "schedule": crontab(minute="1-59/5"),
        "options": {"expires": 290},
    },
    "inpatient-days": {
        "task": "safety.tasks.sweep_days",
        "schedule": crontab(minute="2-59/5"),
        "options": {"expires": 290},
    },
    "neutrophil-counts": {
        "task": "safety.tasks.sweep_counts",
        "schedule": crontab(minute="3-59/5"),
        "options": {"expires": 290},
    },
    # Those who have changed, and once a night everybody.
    "data-findings": {
        "task": "safety.tasks.sweep_findings",
        "schedule": crontab(minute="1-59/5"),
        "options": {"expires": 290},
    },
    "reporting-duties": {
        "task": "safety.tasks.sweep_duties",
        "schedule": crontab(minute="2-59/5"),
        "options": {"expires": 290},
    },
    "doors": {
        "task": "trialsite.tasks.sweep_doors",
        "schedule": crontab(minute="4-59/5"),
        "options": {"expires": 290},
    },
    "audit-seals": {
        "task": "trialsite.tasks.seal_audit",
        "schedule": crontab(minute="3-59/5"),
        "options": {"expires": 290},
    },
    "access-reviews": {
        "task": "trialsite.tasks.sweep_access_reviews",
        "schedule": crontab(minute="4-59/5"),
        "options": {"expires": 290},
    },
    "snapshots": {
        "task": "sponsor.tasks.sweep_snapshots",
        "schedule": crontab(minute="1-59/5"),
        "options": {"expires": 290},
    },
    "deliver-notifications": {
        "task": "trialsite.tasks.deliver_notifications",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 55},
    },
}

# --- Sponsor API -------------------------------------------------------------------------------
REST_FRAMEWORK = {
    # Nothing is open by default: each view names what it allows.
    "DEFAULT_AUTHENTICATION_CLASSES": ["sponsor.auth.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["sponsor.auth.IsSponsor"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sponsor.limits.Negotiation",
    "DEFAULT_THROTTLE_CLASSES": ["sponsor.limits.PerProgram", "sponsor.limits.PerAddress"],
    "DEFAULT_THROTTLE_RATES": {
        "program": env.text("API_RATE", "600/min"),
        # Requests without a good token, from one address.
        "address": env.text("API_ADDRESS_RATE", "60/min"),
    },
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sponsor.access.error_body",
    "NUM_PROXIES": NUM_PROXIES,
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trialsite sponsor API",
    "DESCRIPTION": (
        "Read-only, de-identified data of one study. Send `Authorization: Token …`, a token of the scope `read`.\n\n"
        "To keep a copy: read all pages, keep each row by its `id`, and keep `complete_until`. The next time, send it "
        "as `modified_since`: what has changed or become void since comes, nothing is missed, and some rows come again."
        " Nothing is ever deleted: a row that was wrong is void, comes again with `is_void`, and stays readable.\n\n"
        "Errors are problems as RFC 9457 describes them (`application/problem+json`); the address in `type` explains "
        "the kind. Answers have an `ETag`, and are compressed for whoever accepts gzip. Columns, filters and resources "
        "may be added to this version; whatever would break a reader becomes another version with its own address."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Each column says for itself which values it may have: many are called `kind` or `state`.
    "POSTPROCESSING_HOOKS": [],
    # Whoever asks for some columns gets no others.
    "COMPONENT_NO_READ_ONLY_REQUIRED": True,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- Logs --------------------------------------------------------------------------------------
LOGGING = logs.config(env.text("LOG_LEVEL", "INFO"))

# --- Admin theme -------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Trialsite",
    "SITE_HEADER": "trialsite.navigation.study_header",
    "SITE_SYMBOL": "clinical_notes",
    "SITE_SUBHEADER": "trialsite.navigation.study_subheader",
    "STYLES": ["trialsite.navigation.stylesheet"],
    "SCRIPTS": [
        "trialsite.navigation.drafts",
        "trialsite.navigation.frames",
        "trialsite.navigation.access",
        "trialsite.navigation.finder",
    ],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "trialsite.navigation.favicon"}],
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "SHOW_LANGUAGES": True,
    "ACCOUNT": {"navigation": "trialsite.navigation.account"},
    "DASHBOARD_CALLBACK": "trialsite.firstpage.first_page",
    "SIDEBAR": {
        # Ours sends nothing in an address: see `trialsite.finding`.
        "show_search": False,
        "show_all_applications": False,
        "navigation": "trialsite.navigation.sidebar",
    },
}
