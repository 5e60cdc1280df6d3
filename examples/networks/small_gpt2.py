"""A small network of GPT-2's design, trained from nothing to say the next token of texts, which need no labels.

    python examples/networks/small_gpt2.py texts.txt gpt2
    regraft run --target questions.csv --source hf:gpt2

One text a line, in UTF-8. The folder that it writes is one of Hugging Face: configuration, weights, and a tokenizer of
byte pairs that was trained on the texts too. As in GPT-2's own files, no token pads.
Reference: Radford et al., Language models are unsupervised multitask learners, 2019.
"""

import argparse
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, set_seed

END = "<|endoftext|>"


def tokenizer_of(texts, tokens):
    """A tokenizer of ``tokens`` byte pairs, as the texts have them."""
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=tokens, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, bos_token=END, eos_token=END, unk_token=END)


def network_of(tokenizer, width, layers, context):
    """The network with random weights."""
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=context,
        n_embd=width,
        n_layer=layers,
        n_head=width // 32,
        bos_token_id=end,
        eos_token_id=end,
    )
    return GPT2LMHeadModel(config)


def trained(network, stream, steps, batch=32):
    """The network after ``steps`` of saying the next token of parts of the ``stream``; the rate falls to nothing."""
    context = network.config.n_positions
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
    for step in range(steps):
        starts = torch.randint(len(stream) - context, (batch,))
        parts = stream[starts[:, None] + torch.arange(context)]
        loss = network(parts, labels=parts).loss
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.2f}", flush=True)
    return network


def main(given):
    """Train and write."""
    set_seed(given.seed)
    texts = [line for line in given.texts.read_text("utf-8").splitlines() if line.strip()]
    tokenizer = tokenizer_of(texts, given.tokens)
    order = torch.randperm(len(texts)).tolist()
    stream = torch.tensor([i for n in order for i in (*tokenizer(texts[n])["input_ids"], tokenizer.eos_token_id)])
    network = trained(network_of(tokenizer, given.width, given.layers, given.context), stream, given.steps)
    network.save_pretrained(given.folder)
    tokenizer.save_pretrained(given.folder)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("texts", type=Path, help="one text a line")
    asked.add_argument("folder", type=Path, help="where to write")
    asked.add_argument("--steps", type=int, default=1500, help="of training, 32 parts each")
    asked.add_argument("--tokens", type=int, default=4000, help="size of the vocabulary")
    asked.add_argument("--width", type=int, default=128, help="numbers a token")
    asked.add_argument("--layers", type=int, default=4)
    asked.add_argument("--context", type=int, default=64, help="tokens of a text, at most")
    asked.add_argument("--seed", type=int, default=0)
    main(asked.parse_args())
