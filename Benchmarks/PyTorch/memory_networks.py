"""The neural Turing machine and the differentiable neural computer in PyTorch, in eager form from their papers' formulas: a controller of
LSTM cells, and the operations of a step batched over sequences and heads."""
import torch
from torch import nn
from torch.nn import functional as F

ROWS = ["external ntm 16x40", "external dnc 16x40"]


class MemoryNetwork(nn.Module):
    def __init__(self, kind, inputs=9, outputs=8, embedding=64, width=100, rows=128, row=20, reads=1):
        super().__init__()
        self.kind, self.rows, self.row, self.reads = kind, rows, row, reads
        self.embed = nn.Linear(inputs, embedding)
        self.cell = nn.LSTMCell(embedding + reads * row, width)
        if kind == "ntm":
            self.sizes = [row, 1, 1, 3, 1, row, row] + [row, 1, 1, 3, 1]
        else:
            self.sizes = [row, 1, 1, 1, reads, row, row] + [reads * row, reads, 3 * reads]
        self.interface = nn.Linear(width, sum(self.sizes))
        self.output = nn.Linear(width + reads * row, embedding)
        self.head = nn.Linear(embedding, outputs)

    def content(self, key, strength, memory):
        dots = torch.bmm(key, memory.transpose(1, 2))
        norms = (key.square().sum(-1, keepdim=True) + 1e-6) * (memory.square().sum(-1).unsqueeze(1) + 1e-6)
        return F.softmax(strength * dots * norms.rsqrt(), -1)

    def location(self, parts, last, memory):
        key, strength, gate, shift, exponent = parts
        content = self.content(key.unsqueeze(1), 1 + F.softplus(strength).unsqueeze(1), memory).squeeze(1)
        mixed = last + torch.sigmoid(gate) * (content - last)
        s = F.softmax(shift, -1)
        shifted = s[:, 0:1] * mixed.roll(-1, 1) + s[:, 1:2] * mixed + s[:, 2:3] * mixed.roll(1, 1)
        return F.softmax((1 + F.softplus(exponent)) * torch.log(shifted + 1e-16), -1)

    def forward(self, x):
        batch, device = x.shape[0], x.device
        memory = torch.full((batch, self.rows, self.row), 1e-6, device=device)
        first = torch.zeros(batch, self.rows, device=device)
        first[:, 0] = 1
        write, read = first, first.unsqueeze(1).repeat(1, self.reads, 1)
        usage = precedence = torch.zeros(batch, self.rows, device=device)
        links, diagonal = torch.zeros(batch, self.rows, self.rows, device=device), 1 - torch.eye(self.rows, device=device)
        reads, state, outputs = torch.zeros(batch, self.reads * self.row, device=device), None, []
        embedded = self.embed(x)
        for t in range(x.shape[1]):
            state = self.cell(torch.cat([embedded[:, t], reads], 1), state)
            parts = self.interface(state[0]).clamp(-20, 20).split(self.sizes, 1)
            if self.kind == "ntm":
                write = self.location(parts[:5], write, memory)
                erase, add = parts[5], parts[6]
            else:
                key, strength, share, gate, free = parts[:5]
                erase, add = parts[5], parts[6]
                wanted = self.content(key.unsqueeze(1), 1 + F.softplus(strength).unsqueeze(1), memory).squeeze(1)
                kept = (1 - torch.sigmoid(free).unsqueeze(2) * read).prod(1)
                usage = (usage + write - usage * write) * kept
                ordered, order = usage.sort(1)
                products = torch.cumprod(torch.cat([torch.ones_like(ordered[:, :1]), ordered[:, :-1]], 1), 1)
                allocation = torch.zeros_like(usage).scatter(1, order, (1 - ordered) * products)
                write = torch.sigmoid(gate) * (wanted + torch.sigmoid(share) * (allocation - wanted))
            w = write.unsqueeze(2)
            memory = memory * (1 - w * torch.sigmoid(erase).unsqueeze(1)) + w * add.unsqueeze(1)
            if self.kind == "ntm":
                read = self.location(parts[7:], read.squeeze(1), memory).unsqueeze(1)
            else:
                keys, strengths, modes = parts[7:]
                links = ((1 - w - write.unsqueeze(1)) * links + w * precedence.unsqueeze(1)) * diagonal
                precedence = (1 - write.sum(1, keepdim=True)) * precedence + write
                wanted = self.content(
                    keys.view(batch, self.reads, self.row), 1 + F.softplus(strengths).unsqueeze(2), memory)
                pi = F.softmax(modes.view(batch, self.reads, 3), -1)
                read = (pi[..., 0:1] * torch.bmm(read, links) + pi[..., 1:2] * wanted
                        + pi[..., 2:3] * torch.bmm(read, links.transpose(1, 2)))
            reads = torch.bmm(read, memory).flatten(1)
            outputs.append(torch.cat([state[0], reads], 1))
        return self.head(self.output(torch.stack(outputs, 1)))


def body(parts):
    """Forward and backward of one batch, and how often."""
    batch, length = (int(s) for s in parts[2].split("x"))
    torch.manual_seed(1)
    model = MemoryNetwork(parts[1])
    x, y = torch.rand(batch, length, 9).round(), torch.rand(batch, length, 8).round()

    def step():
        F.binary_cross_entropy_with_logits(model(x), y).backward()
        model.zero_grad()

    return step, 1
