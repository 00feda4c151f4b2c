"""Bytes in, ChunkResults out: the way of the data, top to bottom.

    split -> source -> resources -> workloads -> controls -> patch -> edit -> verify

Pure but for what it is given: no files, no exit codes. Each chunk is decoded, composed, judged, edited and verified
alone and then dropped.
"""

from __future__ import annotations

from krm_harden import edit, limits, place, proof, source, split, workloads
from krm_harden import facts as whole
from krm_harden.controls import TOKEN
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import ChunkResult, Facts, Unexamined, dotted
from krm_harden.notices import is_unremarkable, left_out, may_be_unremarkable, skipped
from krm_harden.patch import Draft
from krm_harden.resources import is_local, is_namespace, left_alone, list_field, resources
from krm_harden.review import Review
from krm_harden.source import Document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from krm_harden.decide import LeftOut
    from krm_harden.model import Operation, Pointer, Resource
    from krm_harden.policy import Policy

ESCAPES = {"owned", "local", "encrypted", "patch"}
"""What a manifest can say of itself so that it is left alone."""
_REPORT = "the document stays as it was; please report it, with the file"


class Engine:
    """A policy at work.

    `checking`: nothing is written, and findings that a fix would mend are open. `strict`: nothing is skipped unparsed.
    `lines`: findings get the line of their field. `rendered`: what comes is what will be applied, so that no `$patch`
    makes a patch of it. `ceiling`: who wrote the manifests isn't who wrote the policy. `paranoid`: other libraries
    verify each edit once more. `facts` are those of the whole input: None in the first pass, which gathers them.
    `left_out` says why a control, by its id, writes nothing to a resource, or empty; it must be the same at each call.
    """

    __slots__ = (
        "_asks_access",
        "_known_access",
        "ceiling",
        "checking",
        "facts",
        "left_out",
        "lines",
        "paranoid",
        "policy",
        "rendered",
        "strict",
    )

    def __init__(
        self,
        policy: Policy,
        *,
        checking: bool = False,
        strict: bool = False,
        lines: bool = True,
        rendered: bool = False,
        ceiling: bool = False,
        paranoid: bool = False,
        facts: Facts | None = None,
        left_out: LeftOut | None = None,
    ) -> None:
        self._asks_access = policy.asks_access
        self._known_access = _access().Access(facts.access) if facts and self._asks_access else None
        self.left_out = left_out
        self.rendered = rendered or checking
        self.ceiling = ceiling
        self.policy = policy
        self.facts = facts
        self.lines = lines
        self.paranoid = paranoid
        self.checking = checking
        self.strict = strict

    def knowing(self, facts: Facts) -> Engine:
        """The same for a second pass, over the inputs whose first one had `facts.waiting`."""
        return self._with(rendered=self.rendered, facts=facts)

    def for_stream(self) -> Engine:
        """The same for manifests on their way to a cluster."""
        return self._with(rendered=True, facts=self.facts)

    def under(self, policy: Policy) -> Engine:
        """The same by another policy."""
        return self._with(rendered=self.rendered, facts=self.facts, policy=policy)

    def choosing(self, left_out: LeftOut | None) -> Engine:
        """The same with another choice of what is left out."""
        made = self._with(rendered=self.rendered, facts=self.facts)
        made.left_out = left_out
        return made

    def _with(self, *, rendered: bool, facts: Facts | None, policy: Policy | None = None) -> Engine:
        return Engine(
            policy or self.policy,
            checking=self.checking,
            strict=self.strict,
            lines=self.lines,
            rendered=rendered,
            ceiling=self.ceiling,
            paranoid=self.paranoid,
            facts=facts,
            left_out=self.left_out,
        )

    def both_passes(self, data: bytes) -> list[ChunkResult]:
        """The results of a stream that is the whole input."""
        results = list(self.run(data))
        facts = whole.of_chunks(results)
        return list(self.knowing(facts).run(data)) if facts.waiting else results

    def run(self, data: bytes) -> Iterator[ChunkResult]:
        """The results of a stream of UTF-8 without byte order mark, in order; their texts joined are the new stream.

        Raises nothing for bad input: a chunk that can't be read has an `error`, and its text is what came in. Raises
        InputError where all of it is too much: its line counts within the stream.
        """
        line = 0
        spent = limits.Spent()
        for document in split.documents(data):
            yield from self.document(document, line, spent)
            line += document.count(b"\n")

    def document(self, chunk: bytes, line: int = 0, spent: limits.Spent | None = None) -> Iterator[ChunkResult]:
        """The results of one document: of each item where it is a block list of items, else of the whole.

        `spent` is what the input has cost so far. Raises InputError as `run` does.
        """
        spent = spent or limits.Spent()
        spent.add(line)
        if split.is_empty(chunk):
            yield ChunkResult(chunk)
            return
        known = None if self.strict else split.can_skip(chunk, self.may_hold_pods)
        if known:
            yield ChunkResult(chunk, unexamined=skipped(chunk, known, line))
            return
        cut = split.cut_items(chunk)
        if cut and frame(cut):
            try:
                items = list(self.items(cut, line, spent))
            except NotAList:
                pass
            except InputError as error:
                if error.limit in limits.OF_ALL:
                    raise
                yield ChunkResult(chunk, error=_placed(error, 0))
                return
            else:
                yield ChunkResult(cut.header)
                yield from items
                yield ChunkResult(cut.trailer)
                return
        yield self.chunk(chunk, line, spent)

    def items(self, cut: split.ItemList, line: int, spent: limits.Spent | None = None) -> Iterator[ChunkResult]:
        """The results of a list's items, each a chunk. Raises NotAList when the list has to be read as one document.

        Raises InputError for an item beyond a limit, and as `run` does.
        """
        spent = spent or limits.Spent(1)
        line += cut.header.count(b"\n")
        for index, text in enumerate(cut.items):
            spent.add(line, min(index, 1))
            if cut.behind is not None:
                yield self._of_json(text, line, index, cut.behind[index])
                line += cut.behind[index].count(b"\n")
            elif self._passes_by(text):
                yield ChunkResult(text)
            else:
                yield self._document(text, _one_item(text, line), line, index, spent)
            line += text.count(b"\n")

    def _of_json(self, text: bytes, line: int, index: int, behind: bytes) -> ChunkResult:
        """The result of an item of a JSON list. Raises NotAList where one that is read whole says it differently."""
        try:
            document = source.read_input(text)
        except InputError:
            raise NotAList from None
        if not document.is_json or list_field(document.data):
            raise NotAList
        result = self._document(text, document, line, index)
        # An error stands for the whole document. What is said of manifests that aren't ours comes before all the rest.
        if result.error or any(note.severity != "info" for note in result.unexamined):
            raise NotAList
        if result.unexamined and any(self._is_ours(resource) for resource in resources(document)):
            raise NotAList
        result.text += behind
        return result

    def _passes_by(self, item: bytes) -> bool:
        """Whether an item certainly isn't one of ours, and nothing has to be said of it: then it isn't composed."""
        if self.strict or self._asks_access or not may_be_unremarkable(item):
            return False
        known = split.can_skip_item(item, self.may_hold_pods)
        return known is not None and is_unremarkable(item, known[1])

    def chunk(self, chunk: bytes, line: int = 0, spent: limits.Spent | None = None) -> ChunkResult:
        """The result of one chunk that is a document of its own. Raises InputError as `run` does."""
        before, body = split.after_mark(chunk)
        line += before.count(b"\n")
        try:
            document = source.read_input(body)
        except InputError as error:
            if is_template(chunk) and not source.is_about_depth(error):
                return ChunkResult(
                    chunk, unexamined=[Unexamined("a template, not YAML", line=line + 1, cause="template")]
                )
            return ChunkResult(chunk, error=_placed(error, line))
        result = self._document(body, document, line, spent=spent)
        result.text = before + result.text
        return result

    def may_hold_pods(self, api_version: str, kind: str) -> bool:
        """Whether chunks of a kind are read: it makes pods, is a Namespace, or says what a pod's account may do."""
        if kind == "Namespace" or workloads.is_workload(api_version, kind, self.policy.kinds):
            return True
        return self._asks_access and kind in _access().KINDS

    def _document(
        self,
        chunk: bytes,
        document: Document,
        line: int,
        index: int | None = None,
        spent: limits.Spent | None = None,
    ) -> ChunkResult:
        try:
            found = list(resources(document, index))
        except InputError as error:
            return ChunkResult(chunk, error=_placed(error, line))
        if spent:
            spent.add_objects(line, len(found))
        ours: list[Resource] = []
        others: list[Resource] = []
        for resource in found:
            (ours if self._is_ours(resource) else others).append(resource)
        notes = self._graded(left_out(document, others, self.policy.kinds, line))
        rendered = self.rendered or "$patch" not in document.text
        reviews = [
            Review(
                self.policy,
                document,
                resource,
                line,
                self.facts,
                checking=self.checking,
                lines=self.lines,
                rendered=rendered,
                left_out=self.left_out,
                access=self._known_access,
            )
            for resource in ours
        ]
        # Of several resources only one that can't be read is to blame by name.
        only = subject = reviews[0].resource if len(reviews) == 1 else None
        try:
            _no_duplicates(document, reviews, line)
            for review in reviews:
                subject = review.resource
                review.read()
            subject = only
            notes += self._graded(note for review in reviews for note in review.notes())
            reviews = [review for review in reviews if not review.stays]
            return self._hardened(chunk, document, found, reviews, notes)
        except RefusedEdit as error:
            results = [review.untouched() for review in reviews]
            facts = Facts(used={name for review in reviews for name in review.used_exemptions()})
            return ChunkResult(chunk, results, notes, _placed(error, line, subject), subject=subject, facts=facts)
        except InputError as error:
            return ChunkResult(chunk, (), notes, _placed(error, line, subject), subject=subject)

    def _graded(self, notes: Iterable[Unexamined]) -> list[Unexamined]:
        """The same notes; of a stream, what says of itself that it isn't to be hardened is more than an info.

        A gate that can't see what is encrypted must not pass it.
        """
        graded = list(notes)
        for note in graded:
            if self.checking:
                note.severity = "error" if note.cause == "encrypted" else "info"
            elif note.cause in ESCAPES and self.rendered:
                note.severity = "error" if self.ceiling else "warning"
        return graded

    def _is_ours(self, resource: Resource) -> bool:
        known = workloads.shapes_of(resource, self.policy.kinds) or is_namespace(resource)
        # Whoever applies it without kustomize or kpt applies this too.
        return bool(known) and (left_alone(resource) is None or (self.checking and is_local(resource)))

    def _hardened(
        self, chunk: bytes, document: Document, found: list[Resource], reviews: list[Review], notes: list[Unexamined]
    ) -> ChunkResult:
        draft = Draft(document.data) if self.checking else _drafted(document, reviews)
        operations = draft.operations
        if not operations:
            facts = self._facts(document, found, reviews)
            return ChunkResult(chunk, [review.result() for review in reviews], notes, facts=facts)
        own = _by_resource(operations, [review.resource for review in reviews])
        results = [review.result(own[review.resource.base], settled=False) for review in reviews]
        new = self._edited(document, draft)
        for review, result in zip(self._settled(new, reviews), results, strict=True):
            result.allowed, result.message = review.verdict()
            result.policies = review.policies()
            result.after = result.allowed and not any(verdict.message for verdict in result.policies)
        facts = self._facts(document, [resource.within(new.data) for resource in found], reviews)
        return ChunkResult(new.text.encode(), results, notes, changed=True, facts=facts)

    def _facts(self, document: Document, found: Iterable[Resource], reviews: Iterable[Review]) -> Facts | None:
        """What a document adds to the facts of the whole input: `found` are its resources as they are written."""
        automatic = self.policy.namespaces.get("enforce") == "auto"
        if not (automatic or self.policy.exemptions or self._asks_access):
            return None
        found = list(found)
        pods, homeless = whole.about(self.policy, found) if automatic else ({}, [])
        used = {name for review in reviews for name in review.used_exemptions()}
        waiting = self.facts is None and any(
            (is_namespace(review.resource) and review.waits()) or (review.pods and TOKEN in review.settings.checks())
            for review in reviews
        )
        access = _access().of_document(document, found) if self._asks_access else ()
        return Facts(pods, homeless, used=used, access=access, waiting=waiting)

    def _edited(self, document: Document, draft: Draft) -> Document:
        """The new document, verified; where the lines that it gets prove it, without marks. Raises RefusedEdit."""
        try:
            place.check_breaks(document)
            operations = draft.operations
            edits = edit.plan(document, operations)
            text = edit.apply(document.text, edits)
            if not self.paranoid and proof.holds(document, edits, text, draft.data):
                return Document(text, None, draft.data)
            from krm_harden import verify

            new = verify.verified(document, text, draft)
            if self.paranoid:
                verify.twice(document, new, operations)
        except RefusedEdit as error:
            raise _naming_anchor(document, draft.operations, error) from None
        return new

    def _settled(self, new: Document, reviews: list[Review]) -> list[Review]:
        """The resources of the new text. Raises RefusedEdit unless a second run over it has nothing to do."""
        again = [
            Review(
                self.policy,
                new,
                review.resource.within(new.data),
                0,
                self.facts,
                left_out=self.left_out,
                access=self._known_access,
            )
            for review in reviews
        ]
        for review in again:
            review.judge()
        for operation in _drafted(new, again).operations:
            raise RefusedEdit(f"a second run would change {dotted(operation.path)} again", next_step=_REPORT)
        return again


def _access() -> Any:
    """What service accounts may do: loaded where a policy asks."""
    from krm_harden import access

    return access


def is_template(chunk: bytes) -> bool:
    """Whether a text that isn't YAML may become YAML: it holds `{{ ... }}` or `{% ... %}`."""
    return (b"{{" in chunk and b"}}" in chunk) or (b"{%" in chunk and b"%}" in chunk)


class NotAList(Exception):
    """A text that looked like a list of items, and isn't."""


def frame(cut: split.ItemList) -> Document | None:
    """A list without its items, when it stands on its own: one bare `items` key, and nothing anchored."""
    try:
        document = source.read_input(cut.header + cut.trailer)
        anchored = any(found.startswith("&") for found in source.anchors(document.text))
    except InputError:
        return None
    data = document.data
    if not isinstance(data, dict) or document.duplicates or anchored:
        return None
    if data.get("items", "") != ([] if document.is_json else None):
        return None
    # The items of a DeploymentList may have no kind of their own: such a list is read whole. A kind may be anything.
    return document if data.get("kind") in ("List", "ResourceList") else None


def _one_item(text: bytes, line: int) -> Document:
    """The document of a text that is exactly one item of a block sequence. Raises NotAList for another.

    Raises InputError for one beyond a limit, which the whole list would be beyond, too; `line` is where it begins.
    """
    try:
        document = source.read_input(text)
    except InputError as error:
        if not error.limit:
            raise NotAList from None
        error.line += line
        raise
    root: Any = document.root
    data = document.data
    if not (isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict)) or root.flow_style:
        raise NotAList
    return document


def _by_resource(operations: Iterable[Operation], resources_: Iterable[Resource]) -> dict[Pointer, list[Operation]]:
    """A document's operations by the base of the resource that they change."""
    found: dict[Pointer, list[Operation]] = {resource.base: [] for resource in resources_}
    if len(found) == 1:
        return {base: list(operations) for base in found}
    for operation in operations:
        bases = (operation.path[:depth] for depth in range(len(operation.path), -1, -1))
        found[next(base for base in bases if base in found)].append(operation)
    return found


def _drafted(document: Document, reviews: list[Review]) -> Draft:
    """A document's data with the changes of all its resources."""
    draft = Draft(document.data)
    for review in reviews:
        for operation in review.operations():
            draft.apply(operation)
    return draft


def _no_duplicates(document: Document, reviews: list[Review], line: int) -> None:
    """Raises InputError for a duplicate key beside a pod: readers disagree on which one counts."""
    if document.duplicates and any(review.pods for review in reviews):
        name, first, second = document.duplicates[0]
        raise InputError(f"the key {name!r} stands twice in one mapping, first on line {line + first + 1}", second)


def _placed(error: InputError | RefusedEdit, line: int, subject: Resource | None = None) -> str:
    """An error with its line in the stream, its column where known, and the resource it is about."""
    at, column = (error.line, error.column) if isinstance(error, InputError) else (0, -1)
    where = f"line {line + max(at, 0) + 1}" + (f", column {column + 1}" if column >= 0 else "")
    return f"{where}: {subject}: {error}" if subject else f"{where}: {error}"


def _naming_anchor(document: Document, operations: tuple[Operation, ...], error: RefusedEdit) -> RefusedEdit:
    """A refusal because of a shared node names its anchor: that is what its reader can change."""
    for operation in operations:
        anchor = place.shared_anchor(document, operation.path)
        if anchor:
            return RefusedEdit(
                f"{anchor} is used in several places that don't all need the same change",
                next_step="write the field out where it differs",
            )
    return error
