"""People on the staff of a running site, made in its database."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.async_api import Browser

from tests.support.browser import Visitor
from tests.support.databases import Database
from tests.support.site import Site

PASSWORD = "knows-it-well"


def hire(database: Database, name: str, *permissions: str, is_staff: bool = True) -> None:
    """An account with these permissions of the inference app; its password is `PASSWORD`."""
    hasher = PBKDF2PasswordHasher()
    password = hasher.encode(PASSWORD, "salt", iterations=1000)
    database.execute(
        "INSERT INTO accounts_user (username, password, is_staff, is_active, is_superuser,"
        " is_guest, first_name, last_name, email, date_joined)"
        " VALUES (%s, %s, %s, %s, %s, %s, '', '', '', CURRENT_TIMESTAMP)",
        [name, password, is_staff, True, False, False],
    )
    for permission in permissions:
        database.execute(
            "INSERT INTO accounts_user_user_permissions (user_id, permission_id)"
            " SELECT person.id, permission.id FROM accounts_user person, auth_permission permission"
            " JOIN django_content_type type ON type.id = permission.content_type_id"
            " WHERE person.username = %s AND permission.codename = %s"
            " AND type.app_label = 'inference'",
            [name, permission],
        )


async def sign_in(browser: Browser, site: Site, name: str, path: str) -> Visitor:
    """A window on an address of the admin."""
    visitor = await Visitor.arrive(browser, f"{site.url}/admin/login/?next={path}")
    await visitor.page.fill("#id_username", name)
    await visitor.page.fill("#id_password", PASSWORD)
    await visitor.page.click("[type=submit]")
    await visitor.page.wait_for_url(f"**{path}")
    return visitor
