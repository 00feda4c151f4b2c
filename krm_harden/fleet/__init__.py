"""Where one machine ends: manifests of thousands of repositories and clusters, judged unit by unit.

    inventory  what there is: entries with a name and a source
    units      what is judged alone, and which shard takes it
    storage    object storage and all else that fsspec reads      optional: pip install 'krm-harden[fleet]'
    artifacts  OCI artifacts of rendered manifests
    archives   tars as streams, never on disk
    trees      which files of a source are manifests, as in a folder
    work       a unit -> what the engine makes of it: the same here, in a process and on a cluster
    cluster    the same on Dask                                    optional, too
    records    what a report says of the units that it took

Nothing of it is imported where no source is named.
"""
