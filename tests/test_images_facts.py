"""Who knows what of an image: its name spelled out, the catalogue, a lock and the policy, and which of them counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import policy, schema
from krm_harden.errors import ConfigError
from krm_harden.images import facts, known, lock, names

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64

# Names


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io/library/nginx", "", ""),
        ("nginx:1.27", "docker.io/library/nginx", "1.27", ""),
        ("grafana/grafana:11", "docker.io/grafana/grafana", "11", ""),
        ("docker.io/nginx", "docker.io/library/nginx", "", ""),
        ("index.docker.io/library/nginx", "docker.io/library/nginx", "", ""),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx", "", ""),
        ("registry.hub.docker.com/library/nginx", "docker.io/library/nginx", "", ""),
        ("k8s.gcr.io/pause:3.9", "registry.k8s.io/pause", "3.9", ""),
        ("registry.example:5000/app", "registry.example:5000/app", "", ""),
        ("registry.example:5000/team/app:1", "registry.example:5000/team/app", "1", ""),
        ("localhost/app:1", "localhost/app", "1", ""),
        ("localhost:5000/app", "localhost:5000/app", "", ""),
        ("team/localhost:1", "docker.io/team/localhost", "1", ""),
        (f"nginx@{DIGEST}", "docker.io/library/nginx", "", DIGEST),
        (f"registry.example:5000/app:1@{DIGEST}", "registry.example:5000/app", "1", DIGEST),
        (" nginx:1 ", "docker.io/library/nginx", "1", ""),
    ],
)
def test_a_name_is_spelled_out(image, repository, tag, digest):
    reference = names.parse(image)

    assert (reference.repository, reference.tag, reference.digest) == (repository, tag, digest)


@pytest.mark.parametrize(
    ("image", "tag"), [("nginx", "latest"), ("nginx:1", "1"), (f"nginx@{DIGEST}", ""), (f"nginx:1@{DIGEST}", "1")]
)
def test_no_tag_is_the_latest_unless_a_digest_says_what_is_pulled(image, tag):
    assert names.parse(image).tag_or_latest == tag


@given(st.text(alphabet="aZ09.:/@-_*", max_size=30))
def test_any_text_is_a_name_and_spelled_out_only_once(text):
    once = str(names.parse(text))

    assert str(names.parse(once)).removesuffix(":latest") == once.removesuffix(":latest")


@pytest.mark.parametrize(
    ("repository", "original"),
    [
        ("public.ecr.aws/docker/library/nginx", "docker.io/library/nginx"),
        ("mirror.gcr.io/library/nginx", "docker.io/library/nginx"),
        ("mirror.gcr.io/grafana/grafana", "docker.io/grafana/grafana"),
        ("public.ecr.aws/nginx/nginx", "public.ecr.aws/nginx/nginx"),
        ("quay.io/library/nginx", "quay.io/library/nginx"),
    ],
)
def test_a_public_mirror_is_its_original(repository, original):
    assert names.upstream(repository) == original


@pytest.mark.parametrize(
    ("repository", "likely"),
    [
        ("harbor.example/proxy/docker.io/library/nginx", "docker.io/library/nginx"),
        ("harbor.example/proxy/docker.io/nginx", "docker.io/library/nginx"),
        ("harbor.example/quay.io/prometheus/prometheus", "quay.io/prometheus/prometheus"),
        ("registry.example/library/redis", "docker.io/library/redis"),
        ("registry.example/team/redis", ""),
        ("registry.example/redis", ""),
        ("registry.example/library", ""),
        ("registry.example/team/app.v2", ""),
    ],
)
def test_only_the_end_of_a_path_can_say_what_a_private_mirror_serves(repository, likely):
    assert names.likely_upstream(repository) == likely


# The catalogue


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("1.27", "1.27", True),
        ("1.27", "1.270", False),
        ("*alpine*", "17-alpine3.20", True),
        ("*alpine*", "17", False),
        ("1.*-alpine", "1.27-alpine", True),
        ("1.*-alpine", "1.-alpine", True),
        ("1.*-alpine", "1-alpine", False),
        ("aa*aa", "aaa", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*bc*bc", "abc", False),
        ("a.c", "abc", False),
    ],
)
def test_the_only_wildcard_of_a_tag_is_a_star(pattern, text, expected):
    assert known.matches(pattern, text) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_a_star_means_what_a_shell_means_by_it(pattern, text):
    from fnmatch import fnmatchcase

    assert known.matches(pattern, text) == fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("image", "uid"),
    [
        ("postgres:17", 999),
        ("postgres:17-alpine", 70),
        ("postgres:alpine3.20", 70),
        ("postgres", 999),
        ("public.ecr.aws/docker/library/postgres:17-alpine", 70),
        ("registry.example/app:1", None),
        ("nginxinc/nginx", None),
    ],
)
def test_the_first_entry_of_a_name_whose_tags_fit_is_taken(image, uid):
    assert known.of_catalogue(names.parse(image)).value("uid") == uid


@pytest.mark.parametrize("image", ["bitnami/some-new-image:1", "docker.io/bitnamilegacy/some-new-image:1"])
def test_a_pattern_finds_what_no_name_does(image):
    assert known.of_catalogue(names.parse(image)).value("uid") == 1001


@pytest.mark.parametrize("image", ["harbor.example/docker.io/library/redis:7", "registry.example/library/redis:7"])
def test_what_a_private_mirror_serves_is_a_guess(image):
    public, found = (known.of_catalogue(names.parse(name)) for name in ("redis:7", image))

    assert found.value("uid") == public.value("uid") == 999
    assert (public.sure("uid"), found.sure("uid")) == (True, False)
    assert found.evidence("uid") == "catalogue: redis, if it is a mirror of docker.io/library/redis"
    assert not any(found.sure(field) for field in facts.FIELDS)


# Facts


def made(evidence="mine", unsure=(), **entry):
    return facts.of_entry(entry, evidence, unsure)


def paths(found):
    return [path.path for path in found.value("writablePaths")]


def test_nothing_is_known_of_nothing():
    assert not facts.NOTHING
    assert facts.NOTHING.value("uid") is None
    assert not facts.NOTHING.sure("uid")
    assert facts.NOTHING.evidence("uid") == ""
    assert facts.NOTHING.over(made(uid=1)).value("uid") == 1
    assert made(uid=1).over(facts.NOTHING).value("uid") == 1


def test_what_is_said_above_stays_and_what_is_missing_comes_from_below():
    found = made(uid=1, ports=[80]).over(made("other", uid=2, ports=[81], env={"HOME": "/"}))

    assert [found.value(field) for field in ("uid", "ports", "env")] == [1, [80], {"HOME": "/"}]
    assert (found.evidence("uid"), found.evidence("env")) == ("mine", "other")


def test_a_guess_gives_way_to_what_is_known_but_not_to_a_guess():
    guess, other, sure = made("guess", ["uid"], uid=1), made("other", ["uid"], uid=2), made("sure", uid=3)

    assert guess.over(sure).value("uid") == 3
    assert sure.over(guess).value("uid") == 3
    assert guess.over(other).value("uid") == 1


@pytest.mark.parametrize(
    ("above", "below", "gid"),
    [
        ({"uid": 1}, {"uid": 2, "gid": 2}, None),
        ({"uid": 1}, {"uid": 1, "gid": 2}, 2),
        ({"uid": 1}, {"gid": 2}, 2),
        ({"gid": 5}, {"uid": 1, "gid": 2}, 5),
        ({"uid": 1, "gid": 0}, {"uid": 1, "gid": 2}, 0),
        ({}, {"uid": 1, "gid": 2}, 2),
    ],
)
def test_a_group_goes_only_with_its_user(above, below, gid):
    assert made(**above, ports=[1]).over(made(**below)).value("gid") == gid


def test_the_group_of_a_guessed_user_goes_with_the_guess():
    guess = made("guess", ["uid", "gid"], uid=1, gid=1)

    found = guess.over(made("sure", uid=2))

    assert (found.value("uid"), found.value("gid")) == (2, None)


def test_folders_that_either_knows_are_united_only_where_asked():
    mine, other = made(writablePaths=["/a", {"path": "/b", "seed": "data"}]), made("other", writablePaths=["/b", "/c"])

    united = mine.over(other, unite=True)

    assert sorted(paths(united)) == ["/a", "/b", "/c"]
    assert {path.path: path.seed for path in united.value("writablePaths")}["/b"] == "data"
    assert united.evidence("writablePaths") == "mine; other"
    assert paths(mine.over(other)) == ["/a", "/b"]


def test_a_path_says_what_lies_there():
    (path,) = made(
        writablePaths=[
            {"path": "/a", "seed": "copy", "from": "/b", "sizeLimit": "1Mi", "optional": True, "owned": True}
        ]
    ).value("writablePaths")

    assert (path.path, path.seed, path.source, path.size_limit, path.optional, path.owned) == (
        *("/a", "copy", "/b", "1Mi"),
        *(True, True),
    )


def test_the_capabilities_of_programs_that_are_not_started_do_not_count():
    found = made(
        fileCapabilities=[{"path": "/bin/ping", "capabilities": ["NET_RAW"]}, {"path": "/app", "capabilities": ["X"]}]
    )

    assert facts.capabilities_of(found, ["ping", "sh"]) == [("/bin/ping", "NET_RAW")]


# A lock


def locked(*entries):
    return lock.Lock(lock.entries(document(list(entries)), "images.lock.yaml"), "images.lock.yaml")


def document(images):
    return {
        "apiVersion": schema.API_VERSION,
        "kind": "ImageLock",
        "metadata": {"name": "image-lock"},
        "spec": {"images": images},
    }


def entry(images, digest=DIGEST, **facts_):
    return {"digest": digest, "images": images, "facts": facts_}


@pytest.mark.parametrize(
    ("image", "uid"),
    [
        ("nginx:1", 5),
        ("docker.io/library/nginx:1", 5),
        ("nginx:2", None),
        ("nginx", None),
        (f"nginx@{DIGEST}", 5),
        (f"registry.example/copy@{DIGEST}", 5),
        (f"nginx:1@{DIGEST}", 5),
        (f"nginx:1@{OTHER}", None),
        (f"nginx@{OTHER}", None),
    ],
)
def test_a_lock_is_asked_by_name_or_by_digest_and_a_digest_never_by_its_tag(image, uid):
    assert locked(entry(["docker.io/library/nginx:1"], uid=5)).facts(names.parse(image)).value("uid") == uid


def test_no_tag_is_the_same_as_the_latest_in_a_lock():
    found = locked(entry(["nginx"], uid=5))

    assert found.facts(names.parse("docker.io/library/nginx:latest")).value("uid") == 5


def test_what_a_lock_guesses_is_unsure_and_its_evidence_is_named():
    guessed = entry(["nginx:1"], uid=5, ports=[80]) | {"evidence": {"uid": "guess", "ports": "config"}}

    found = locked(guessed).facts(names.parse("nginx:1"))

    assert (found.sure("uid"), found.sure("ports")) == (False, True)
    assert found.evidence("uid") == "images.lock.yaml: docker.io/library/nginx:1 (guess)"
    assert found.evidence("ports") == "images.lock.yaml: docker.io/library/nginx:1 (config)"


def test_an_entry_without_a_name_is_called_by_its_digest():
    found = locked(entry([], uid=5)).facts(names.parse(f"nginx@{DIGEST}"))

    assert found.evidence("uid") == f"images.lock.yaml: {DIGEST}"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "kind must be ImageLock"),
        ([], "kind must be ImageLock"),
        ({"kind": "ConfigMap"}, "kind must be ImageLock"),
        ({"kind": "ImageLock", "apiVersion": "v1"}, "krm-harden.dev/v1alpha1, krm-harden.dev/v1, not 'v1'"),
        (document([{"digest": DIGEST}]), "spec.images[0].images is missing"),
        (document([{"digest": DIGEST, "images": [1]}]), "spec.images[0].images[0] must be a string"),
        (document([entry(["a"], uid="1")]), "spec.images[0].facts.uid must be"),
        (document([entry(["a"], user=1)]), "spec.images[0].facts.user is unknown"),
        (document([entry(["a"], uid=-1)]), "spec.images[0].facts.uid must be"),
        (document([entry(["a"], writablePaths=["tmp"])]), "spec.images[0].facts.writablePaths[0]"),
    ],
)
def test_a_wrong_lock_is_refused_by_the_path(data, says):
    with pytest.raises(ConfigError) as caught:
        lock.entries(data, "images.lock.yaml")

    assert str(caught.value).startswith("images.lock.yaml: ")
    assert says in str(caught.value)


# Which of them counts


def asked(image, spec, *locks):
    whole = {"apiVersion": schema.API_VERSION, "kind": schema.KIND, "metadata": {"name": "team"}, "spec": spec}
    found = policy.from_data(whole, "team.yaml").with_locks(locks)
    return found.stated(image).over(found.found(image))


def test_the_policy_goes_before_a_lock_and_a_lock_before_the_catalogue():
    stated = {"images": [{"match": "nginx:*", "uid": 1}]}
    found = locked(entry(["nginx:1.27"], uid=2, ports=[2]))

    assert asked("nginx:1.27", stated, found).value("uid") == 1
    assert asked("nginx:1.27", stated, found).value("ports") == [2]
    assert asked("nginx:1.27", {}, found).value("uid") == 2
    assert asked("nginx:1.27", {}).value("uid") == 101


def test_the_first_of_two_locks_counts_and_a_guess_in_it_gives_way_to_the_second():
    first = locked(entry(["a.example/b:1"], uid=1, ports=[1]) | {"evidence": {"uid": "guess"}})
    second = locked(entry(["a.example/b:1"], uid=2, ports=[2]))

    found = asked("a.example/b:1", {}, first, second)

    assert (found.value("uid"), found.value("ports")) == (2, [1])


def test_what_a_lock_and_the_catalogue_know_of_folders_is_united():
    found = asked("nginx:1.27", {}, locked(entry(["nginx:1.27"], writablePaths=["/extra"])))

    assert {"/extra", "/var/cache/nginx", "/run"} <= set(paths(found))


def test_a_policy_that_says_that_nothing_is_written_is_believed():
    assert paths(asked("nginx:1.27", {"images": [{"match": "nginx:*", "writablePaths": []}]})) == []


@pytest.mark.parametrize(
    ("narrow", "wide"), [("nginx:*", "*"), ("nginx:1.27", "nginx:*"), ("docker.io/library/nginx:*", "nginx*")]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_narrowest_entry_of_a_policy_is_taken(narrow, wide, is_first):
    entries = [{"match": narrow, "uid": 100}, {"match": wide, "uid": 1}]

    assert asked("nginx:1.27", {"images": entries if is_first else entries[::-1]}).value("uid") == 100
