"""The bundled model's tokenizer and chat template. Knows text and token ids, and no model."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from inference.demo_model.corpus.build import Conversation

VOCABULARY = 3072
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IGNORED = -100

# Must render exactly what `encode` learns from.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE: every text has tokens, and decodes to itself."""
    tokenizer = Tokenizer(models.BPE())
    # Japanese has no spaces: a character of its own each, or the same name would be cut differently
    # in every sentence and could not be copied.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}ー]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def encode(
    tokenizer: PreTrainedTokenizerFast, conversation: Conversation
) -> tuple[list[int], list[int]]:
    """(token ids, labels): only what the assistant says, its end included, is learned."""
    text, spans = "", []
    for message in conversation:
        text += f"{START}{message['role']}\n"
        begin = len(text)
        text += f"{message['content']}{END}"
        if message["role"] == "assistant":
            spans.append((begin, len(text)))
        text += "\n"
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    ids: list[int] = encoded["input_ids"]
    offsets: list[tuple[int, int]] = encoded["offset_mapping"]
    labels = [
        token if any(begin <= at < end for begin, end in spans) else IGNORED
        for token, (at, _) in zip(ids, offsets, strict=True)
    ]
    return ids, labels
