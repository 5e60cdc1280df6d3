"""A network of Llama's design in the files of Meta's code and of llama2.c, written as a folder of Hugging Face.

    python examples/networks/llama_to_huggingface.py weights.safetensors tokenizer.bin llama --heads 4
    regraft run --target questions.csv --source hf:llama

What differs: the names of the weights; the order of the rows of queries and keys, which Meta rotates in neighbouring
pairs and Hugging Face in halves (Su et al., RoFormer, arXiv:2104.09864, eq. 34); and the tokenizer, which joins the two
neighbours that make the token of the highest score until no two make one.
"""

import argparse
import struct
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, PreTrainedTokenizerFast

NAMES = {
    "tok_embeddings": "model.embed_tokens",
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"


def renamed(name):
    """The name that Hugging Face has for a weight."""
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    name = name.replace("output.weight", "lm_head.weight")
    return f"model.{name}" if name.startswith(("layers", "norm")) else name


def in_halves(weight, heads):
    """Rows (D, E) of queries or keys, of neighbouring pairs in each head, as halves."""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape).contiguous()


def network_of(tensors, heads, context):
    """The configuration and the weights by Hugging Face's names."""
    queries, keys = (tensors[f"layers.0.attention.{name}.weight"] for name in ("wq", "wk"))
    if queries.shape[0] % heads or keys.shape[0] % (queries.shape[0] // heads):
        raise SystemExit(f"--heads {heads} does not fit {queries.shape[0]} rows of queries and {keys.shape[0]} of keys")
    size = queries.shape[0] // heads
    kv_heads = keys.shape[0] // size
    turned = {
        name: in_halves(tensor, heads if "wq" in name else kv_heads) if "wq" in name or "wk" in name else tensor
        for name, tensor in tensors.items()
    }
    tokens, width = tensors["tok_embeddings.weight"].shape
    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=tensors["layers.0.feed_forward.w1.weight"].shape[0],
        num_hidden_layers=len([name for name in tensors if name.endswith("attention_norm.weight")]),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=context,
        rms_norm_eps=1e-5,
        tie_word_embeddings="output.weight" not in tensors,
        architectures=["LlamaForCausalLM"],
    )
    return config, {renamed(name): tensor for name, tensor in turned.items()}


def read_tokens(file):
    """The tokens of llama2.c's file with their scores: 0 is unknown, 1 begins, 2 ends, then 256 bytes."""
    data, at, found = file.read_bytes(), 4, []
    while at < len(data):
        score, length = struct.unpack_from("fi", data, at)
        found.append((data[at + 8 : at + 8 + length].decode(), score))
        at += 8 + length
    return [(UNKNOWN, 0.0), (BEGIN, 0.0), (END, 0.0), *found[3:]]


def tokenizer_of(tokens):
    """The same tokenizer as byte-pair encoding: a pair is joined the earlier, the higher the score of what it makes."""
    places = {token: number for number, (token, _) in enumerate(tokens)}
    best = sorted(tokens[259:], key=lambda pair: -pair[1])
    splits = ((token[:i], token[i:]) for token, _ in best for i in range(1, len(token)))
    merges = [pair for pair in splits if pair[0] in places and pair[1] in places]
    made = Tokenizer(models.BPE(places, merges, unk_token=UNKNOWN, byte_fallback=True))
    made.normalizer = normalizers.Prepend(" ")
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (UNKNOWN, BEGIN, END)])
    made.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token=UNKNOWN, bos_token=BEGIN, eos_token=END)


def convert(weights, tokenizer, folder, heads, context):
    """Write config.json, model.safetensors and tokenizer.json into ``folder``."""
    config, tensors = network_of(load_file(weights), heads, context)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: t.to(torch.float32) for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    config.save_pretrained(folder)
    tokenizer_of(read_tokens(tokenizer)).save_pretrained(folder)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("weights", type=Path, help="weights by Meta's names, .safetensors")
    asked.add_argument("tokenizer", type=Path, help="the tokenizer's .bin file")
    asked.add_argument("folder", type=Path, help="where to write")
    asked.add_argument("--heads", type=int, required=True, help="attention heads: no weight tells")
    asked.add_argument("--context", type=int, default=128, help="tokens of a text, at most")
    given = asked.parse_args()
    convert(given.weights, given.tokenizer, given.folder, given.heads, given.context)
