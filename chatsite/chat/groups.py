"""Names of the channel-layer groups that sockets join; knows nothing of what is sent to them."""

from hashlib import sha256

EVERYBODY = "everybody"  # every open tab


def user_group(user_id: int) -> str:
    """Every tab of a person."""
    return f"user.{user_id}"


def session_group(session_key: str) -> str:
    """Every tab of one login. Hashed: group names go to Redis and into logs, keys must not."""
    return f"session.{sha256(session_key.encode()).hexdigest()[:40]}"
