"""The engine room: token ids in, token ids out. No Django, no users, no text."""
