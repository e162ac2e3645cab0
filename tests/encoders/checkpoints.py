"""Checkpoints as small as they can be, initialised at random: they test the road, not what is said on it."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, PreTrainedTokenizerFast, RobertaConfig
from transformers import RobertaModel as Roberta

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,-' 中文跑步鞋手机煎锅电磁炉适用铸铁新能源汽车"
VOCABULARY = {token: i for i, token in enumerate([*SPECIAL, *dict.fromkeys(LETTERS)])}


def letters(*, pad: str = "[PAD]", template: bool = True) -> PreTrainedTokenizerFast:
    """Return a tokenizer of single letters, with [CLS] and [SEP] or without."""
    inner = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if template:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=pad, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def save_random(folder: Path, family: str) -> Path:
    """Write a random checkpoint of a family: bert, roberta or gpt2."""
    torch.manual_seed(7)
    transformers.utils.logging.disable_progress_bar()
    size = {"vocab_size": len(VOCABULARY), "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    model: torch.nn.Module
    if family == "bert":
        model = BertModel(BertConfig(**size, intermediate_size=64, max_position_embeddings=96, initializer_range=0.3))
    elif family == "roberta":
        model = Roberta(
            RobertaConfig(
                **size, intermediate_size=64, max_position_embeddings=96, pad_token_id=1, type_vocab_size=1,
                initializer_range=0.3,
            )
        )  # fmt: skip
    else:
        model = GPT2Model(
            GPT2Config(
                vocab_size=len(VOCABULARY), n_embd=32, n_head=4, n_layer=2, n_positions=64, initializer_range=0.3,
                bos_token_id=2, eos_token_id=3,
            )
        )  # fmt: skip
    model.save_pretrained(folder)
    letters(pad="[UNK]" if family == "roberta" else "[PAD]", template=family != "gpt2").save_pretrained(folder)
    return folder
