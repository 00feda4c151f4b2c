ENTRIES = (
    {
        "id": "nginx",
        "tags": ("*",),
        "facts": {
            "defaultUser": 0,
            "uid": 101,
            "gid": 101,
            "programs": ["nginx"],
            "ports": [80],
            "fileCapabilities": [],
            "writablePaths": [{"path": "/var/cache/nginx"}, {"path": "/run"}],
        },
        "unsure": (),
    },
)
NAMES = {"docker.io/library/nginx": (0,)}
PATTERNS = ()
