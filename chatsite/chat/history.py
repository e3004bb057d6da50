"""Turns a path through a conversation's tree into the prompt of a request. Reads, never writes."""

from uuid import UUID

from chatsite.chat.models import Message

ChatMessage = dict[str, str]


def prompt_for(question: Message, system: str) -> list[ChatMessage]:
    """System prompt if any, then every turn from the root down to `question`."""
    turns = [{"role": role, "content": text} for role, text in _path_to(question)]
    leading = [{"role": "system", "content": system}] if system.strip() else []
    return leading + _alternating(turns)


def _path_to(question: Message) -> list[tuple[str, str]]:
    """(role, text) from the root to `question`, without unfinished and empty answers."""
    tree = Message.objects.filter(conversation_id=question.conversation_id)
    parents = dict(tree.values_list("id", "parent_id"))
    path: list[UUID] = []
    step: UUID | None = question.id
    while step is not None:
        path.append(step)
        step = parents.get(step)
    # Texts only of the path: the tree may hold many siblings of it.
    rows = Message.objects.filter(id__in=path, state=Message.State.COMPLETE).exclude(text="")
    turns = {id_: (role, text) for id_, role, text in rows.values_list("id", "role", "text")}
    return [turns[id_] for id_ in reversed(path) if id_ in turns]


def _alternating(turns: list[ChatMessage]) -> list[ChatMessage]:
    """Joins turns of one role that follow each other.

    A failed answer leaves two questions in a row, which many chat templates refuse.
    """
    joined: list[ChatMessage] = []
    for turn in turns:
        if joined and joined[-1]["role"] == turn["role"]:
            joined[-1]["content"] += "\n\n" + turn["content"]
        else:
            joined.append(dict(turn))
    return joined
