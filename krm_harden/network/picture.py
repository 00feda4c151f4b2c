"""Who may talk to whom, as a picture: Mermaid's text, or SVG. The same connections give the same bytes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from krm_harden.model import one_line
from krm_harden.network.model import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Flow, Peer

    Item: TypeAlias = int | tuple[int, int]
    """What stands in a column: a box, or the place that (arrow, column) has between its boxes."""

OUTSIDE = "outside the namespaces"
NO_NAMESPACE = "no namespace said"


@dataclass(frozen=True)
class Node:
    """A box: its name, and the line below. `group` is the namespace in which it stands."""

    group: str
    name: str
    below: str


@dataclass(frozen=True)
class Edge:
    """An arrow; `label` are the ports, `evidence` the lines that show it."""

    source: int
    target: int
    label: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Boxes by namespace, and the arrows between them by the boxes' indexes."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def groups(self) -> dict[str, list[int]]:
        """The boxes of each namespace; what is outside comes first."""
        found: dict[str, list[int]] = defaultdict(list)
        for index, node in enumerate(self.nodes):
            found[node.group].append(index)
        return dict(sorted(found.items(), key=lambda item: (item[0] != OUTSIDE, item[0])))


def graph(inventory: Inventory, flows: Sequence[Flow]) -> Graph:
    """What is drawn: every workload, also one that nobody may talk to, and the connections that are let through."""
    ends: dict[Peer, None] = dict.fromkeys(inventory.workloads)
    ends.update(dict.fromkeys(end for flow in flows for end in (flow.source, flow.target)))
    order = sorted(
        ends, key=lambda end: (_node(end).group != OUTSIDE, _node(end).group, _node(end).name, _node(end).below)
    )
    index = {id(end): place for place, end in enumerate(order)}
    same = {end: place for place, end in enumerate(order) if not isinstance(end, Workload)}
    found: dict[tuple[int, int], list[Flow]] = defaultdict(list)
    for flow in flows:
        places = [index[id(end)] if isinstance(end, Workload) else same[end] for end in (flow.source, flow.target)]
        found[places[0], places[1]].append(flow)
    edges = [Edge(*key, _ports(found[key]), _evidence(found[key])) for key in sorted(found)]
    return Graph(tuple(map(_node, order)), tuple(edges))


def _node(end: Peer) -> Node:
    if isinstance(end, Workload):
        kind = "pods of a Service" if end.pod is None else end.thing.resource.kind
        return Node(end.namespace or NO_NAMESPACE, one_line(end.name), one_line(kind))
    return Node(OUTSIDE, one_line(str(end)), "")


def _ports(flows: Iterable[Flow]) -> str:
    ports = sorted({flow.port for flow in flows}, key=lambda port: port.key)
    return one_line(", ".join(map(str, ports)))


def _evidence(flows: Iterable[Flow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one_line(flow.evidence) for flow in sorted(flows, key=lambda flow: flow.evidence)))


def mermaid(drawn: Graph) -> str:
    """A flow chart in Mermaid's language, which Git hosts show; the evidence stands in comments."""
    lines = ["flowchart LR"]
    for number, (group, places) in enumerate(drawn.groups().items()):
        if group == OUTSIDE:
            lines += [f'  w{place}(["{_entity(drawn.nodes[place].name)}"])' for place in places]
            continue
        lines.append(f'  subgraph n{number}["{_entity(group)}"]')
        for place in places:
            node = drawn.nodes[place]
            lines.append(f'    w{place}["{_entity(node.name)}<br/>{_entity(node.below)}"]')
        lines.append("  end")
    for edge in drawn.edges:
        lines += [f"  %% {said.replace('%%', '%').replace('{', '(').replace('}', ')')}" for said in edge.evidence]
        lines.append(f'  w{edge.source} -->|"{_entity(edge.label)}"| w{edge.target}')
    return "".join(f"{line}\n" for line in lines)


def _entity(words: str) -> str:
    """A text within Mermaid's quotes: whatever isn't a letter, a digit or harmless is its number."""
    return "".join(letter if letter.isalnum() or letter in " ._-/:," else f"#{ord(letter)};" for letter in words)


WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN, TITLE = 170, 44, 110, 22, 24, 28
_LETTER = 7.2
"""The width of a letter in the picture's font, about."""
_STYLE = """\
svg{background:#fff;font:13px ui-sans-serif,system-ui,sans-serif}
text{fill:#1b1f24}.space{fill:#f3f5f8;stroke:#b6bec9}.box{fill:#fff;stroke:#5a6b82}.out{fill:#fff4e0;stroke:#a86a00}
.small{font-size:11px;fill:#57606a}.edge{fill:none;stroke:#3568b8;stroke-width:1.4}.head{fill:#3568b8}
.edge:hover{stroke-width:4}
@media (prefers-color-scheme:dark){svg{background:#14181d}text{fill:#e6e9ed}.space{fill:#1d232b;stroke:#47515e}
.box{fill:#262e38;stroke:#8b99ab}.out{fill:#3b2d12;stroke:#d9a441}.small{fill:#9aa5b1}.edge{stroke:#7fb0ff}
.head{fill:#7fb0ff}}
"""


def svg(drawn: Graph) -> str:
    """The same as SVG: namespaces as bands, callers left of those whom they call, evidence where the pointer rests.

    An arrow over several columns has a place of its own in each between them, so that it runs behind no box.
    """
    columns = _columns(len(drawn.nodes), drawn.edges)
    chains = [_chain(index, edge, columns) for index, edge in enumerate(drawn.edges)]
    before: dict[Item, list[Item]] = defaultdict(list)
    between: dict[str, list[Item]] = defaultdict(list)
    for chain in chains:
        between[drawn.nodes[_box_of(chain[-1])].group] += chain[1:-1]
        for one, other in zip(chain, chain[1:], strict=False):
            before[other].append(one)
    wide = max([WIDTH, *(_width(node) for node in drawn.nodes)])
    middles: dict[Item, tuple[float, float]] = {}
    bands: list[tuple[str, float, float]] = []
    top: float = MARGIN
    for group, members in drawn.groups().items():
        deepest: float = 0
        for column, items in sorted(_by_column([*members, *between[group]], columns).items()):
            left = 2 * MARGIN + column * (wide + GAP_X)
            bottom = _stacked(items, before, middles, (left, top + TITLE))
            deepest = max(deepest, bottom - top)
        bands.append((group, top, deepest))
        top += deepest + MARGIN
    right = 2 * MARGIN + (max(columns.values(), default=0) + 1) * (wide + GAP_X) - GAP_X + MARGIN
    return _document(drawn, chains, middles, bands, (wide, right + MARGIN, top))


def _chain(index: int, edge: Edge, columns: Mapping[int, int]) -> list[Item]:
    """The boxes of an arrow, and its places in the columns between them."""
    between = range(columns[edge.source] + 1, columns[edge.target])
    return [edge.source, *((index, column) for column in between), edge.target]


def _box_of(item: Item) -> int:
    return item if isinstance(item, int) else item[0]


def _by_column(items: Iterable[Item], columns: Mapping[int, int]) -> dict[int, list[Item]]:
    found: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        found[columns[item] if isinstance(item, int) else item[1]].append(item)
    return found


def _stacked(
    items: Iterable[Item],
    before: Mapping[Item, Sequence[Item]],
    middles: dict[Item, tuple[float, float]],
    corner: tuple[float, float],
) -> float:
    """Put a column's items below each other, each near the middle of what leads to it; where the column ends."""
    wanted = {item: _middle([middles[one][1] for one in before.get(item, ()) if one in middles]) for item in items}
    left, y = corner
    for item in sorted(wanted, key=lambda one: (wanted[one], isinstance(one, tuple), str(one))):
        height = HEIGHT if isinstance(item, int) else 0
        middles[item] = (left, y + height / 2)
        y += height + (GAP_Y if height else GAP_Y / 2)
    return y


def _width(node: Node) -> int:
    return int(max(len(node.name), len(node.below)) * _LETTER) + 24


def _columns(count: int, edges: Iterable[Edge]) -> dict[int, int]:
    """How far right each box stands: beyond all that call it, arrows of a circle aside."""
    calls: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        if edge.source != edge.target:
            calls[edge.source].append(edge.target)
    order, back = _ordered(count, calls)
    columns = dict.fromkeys(range(count), 0)
    for one in order:
        for other in calls[one]:
            if (one, other) not in back:
                columns[other] = max(columns[other], columns[one] + 1)
    return columns


def _ordered(count: int, calls: Mapping[int, Sequence[int]]) -> tuple[list[int], set[tuple[int, int]]]:
    """The boxes with callers first, and the arrows that lead back; a walk without recursion, for long chains."""
    done: list[int] = []
    state: dict[int, int] = {}
    back: set[tuple[int, int]] = set()
    for start in range(count):
        stack = [(start, iter(calls.get(start, ())))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            one, rest = stack[-1]
            other = next(rest, None)
            if other is None:
                state[one] = 2
                done.append(one)
                stack.pop()
            elif state.get(other) == 1:
                back.add((one, other))
            elif other not in state:
                state[other] = 1
                stack.append((other, iter(calls.get(other, ()))))
    return done[::-1], back


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _document(
    drawn: Graph,
    chains: Sequence[Sequence[Item]],
    middles: Mapping[Item, tuple[float, float]],
    bands: Iterable[tuple[str, float, float]],
    size: tuple[int, float, float],
) -> str:
    wide, right, bottom = size
    said = f"{len(drawn.nodes)} boxes, {len(drawn.edges)} connections that are let through"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {bottom:.0f}" width="{right:.0f}" '
        f'height="{bottom:.0f}" role="img" aria-labelledby="title about">',
        f'<title id="title">Who may talk to whom</title><desc id="about">{said}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    for group, top, height in bands:
        across = f'width="{right - 2 * MARGIN:.0f}" height="{height:.0f}"'
        lines.append(f'<rect class="space" x="{MARGIN}" y="{top:.0f}" {across} rx="8"/>')
        lines.append(f'<text class="small" x="{MARGIN + 10}" y="{top + 18:.0f}">{escape(group)}</text>')
    lines += [_arrow(drawn, edge, [middles[one] for one in chains[at]], wide) for at, edge in enumerate(drawn.edges)]
    lines += [_box(node, middles[place], wide) for place, node in enumerate(drawn.nodes)]
    return "\n".join([*lines, "</svg>", ""])


def _box(node: Node, place: tuple[float, float], wide: int) -> str:
    x, y = place[0], place[1] - HEIGHT / 2
    kind = "out" if node.group == OUTSIDE else "box"
    middle, name_at = x + wide / 2, y + (19 if node.below else 27)
    below = f'<text class="small" x="{middle:.0f}" y="{y + 35:.0f}" text-anchor="middle">{escape(node.below)}</text>'
    return (
        f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{wide}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{middle:.0f}" y="{name_at:.0f}" text-anchor="middle">{escape(node.name)}</text>'
        f"{below if node.below else ''}"
    )


def _arrow(drawn: Graph, edge: Edge, points: Sequence[tuple[float, float]], wide: int) -> str:
    """A curve from the right of the caller to the left of the called one, its ports near its head."""
    names = f"{drawn.nodes[edge.source].name} to {drawn.nodes[edge.target].name}: {edge.label}"
    said = escape("\n".join([names, *edge.evidence]))
    x, y = points[0][0] + wide, points[0][1]
    if edge.source == edge.target:
        x, y = x - wide / 2 + 20, y - HEIGHT / 2
        path = f"M{x:.0f} {y:.0f}c0 -20 -40 -20 -40 0"
    else:
        path = f"M{x:.0f} {y:.0f}"
        for left, middle in points[1:]:
            bend = max(GAP_X / 2, abs(left - x) / 3)
            path += f"C{x + bend:.0f} {y:.0f} {left - bend:.0f} {middle:.0f} {left:.0f} {middle:.0f}"
            x, y = left + wide, middle
            path += f"H{x:.0f}" if (left, middle) != points[-1] else ""
    x, y = points[-1]
    label = f'<text class="small" x="{x - 12:.0f}" y="{y - 5:.0f}" text-anchor="end">{escape(edge.label)}</text>'
    return f'<g><title>{said}</title><path class="edge" marker-end="url(#head)" d="{path}"/>{label}</g>'
