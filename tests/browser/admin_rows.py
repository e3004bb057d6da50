"""A program beside a site: a superuser with rows of hostile texts; prints their session's key.

`python -m tests.browser.admin_rows`
"""

import django


def main() -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    from inference.models import WorkerNode
    from tests.inference.history import a_row
    from tests.support.hostile import hostile_texts

    people = get_user_model().objects
    texts = hostile_texts()
    for text in texts[:90]:
        user = people.create(username=text)
        a_row(user, model=text, detail=text, worker=WorkerNode.objects.first())
    turns = [{"role": "user", "content": text} for text in texts]
    last = a_row(user, messages=turns, output_text="\n".join(texts), detail="\n".join(texts))
    root = people.create_superuser("root")
    client = Client()
    client.force_login(root)
    print(client.cookies["sessionid"].value, last.pk)


if __name__ == "__main__":
    django.setup()
    main()
