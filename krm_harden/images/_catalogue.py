"""The catalogue of images, made by compile.py from catalogue/*.yaml: generated, do not edit.

Texts, since nothing of it is needed but the entry of an image that is met: known.py reads that one.
"""

ENTRIES = (
    '{"id": "adminer-fastcgi", "tags": ("*fastcgi*",), "facts": {"defaultUser": 100, "uid": 100, "gid": 101, "anyUid": True, "programs": ["php-fpm", "docker-php-entrypoint", "entrypoint.sh"], "writablePaths": ["/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "adminer", "tags": ("*",), "facts": {"defaultUser": 100, "uid": 100, "gid": 101, "anyUid": True, "programs": ["php", "docker-php-entrypoint", "entrypoint.sh"], "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ()}',
    '{"id": "argocd", "tags": ("*",), "facts": {"defaultUser": 999, "uid": 999, "gid": 999, "anyUid": True, "programs": ["argocd", "argocd-server", "argocd-repo-server", "argocd-application-controller", "argocd-applicationset-controller", "argocd-notifications", "argocd-dex", "argocd-cmp-server", "argocd-commit-server", "argocd-k8s-auth", "entrypoint.sh"], "writablePaths": ["/tmp", "/home/argocd", "/app/config/gpg/keys"], "ports": [8080, 8081, 8082, 8083, 8084]}, "unsure": ()}',
    '{"id": "argo-rollouts", "tags": ("*",), "facts": {"defaultUser": 999, "uid": 999, "gid": 999, "anyUid": True, "programs": ["rollouts-controller"], "writablePaths": ["/tmp", "/home/argo-rollouts/plugin-bin"], "ports": [8080, 8090]}, "unsure": ()}',
    '{"id": "argo-workflows", "tags": ("*",), "facts": {"defaultUser": 8737, "uid": 8737, "gid": 8737, "anyUid": True, "programs": ["workflow-controller", "argo"], "writablePaths": ["/tmp"], "ports": [2746, 6060, 9090]}, "unsure": ()}',
    '{"id": "bank-of-anthos", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["java", "gunicorn"], "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ()}',
    '{"id": "bank-of-anthos-loadgenerator", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["locust"], "writablePaths": []}, "unsure": ()}',
    '{"id": "bitnami-cadvisor", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "it reads the containers of its node"}}, "unsure": ()}',
    '{"id": "bitnami-cilium", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "the network agent of a node"}}, "unsure": ()}',
    '{"id": "bitnami-discourse", "tags": ("*",), "facts": {"programs": ["entrypoint.sh", "run.sh"], "cannotRestrict": {"code": "needs-root", "reason": "its scripts run as root"}}, "unsure": ()}',
    '{"id": "bitnami-metallb-speaker", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "it announces addresses on the network of the node"}}, "unsure": ()}',
    '{"id": "bitnami-multus-cni", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "it installs a network plugin on the node"}}, "unsure": ()}',
    '{"id": "bitnami-odoo", "tags": ("*",), "facts": {"programs": ["entrypoint.sh", "run.sh"], "cannotRestrict": {"code": "needs-root", "reason": "its scripts run as root"}}, "unsure": ()}',
    '{"id": "bitnami-whereabouts", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "it installs a network plugin on the node"}}, "unsure": ()}',
    '{"id": "bitnami-airflow", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/airflow/.ssh", "/opt/bitnami/airflow/dags/external", "/opt/bitnami/airflow/logs", "/opt/bitnami/airflow/nss-wrapper", "/opt/bitnami/airflow/tmp", {"path": "/opt/bitnami/airflow/venv", "seed": "copy", "optional": True}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-apache", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/apache/conf", {"path": "/opt/bitnami/apache/logs", "seed": "copy", "optional": True}, "/opt/bitnami/apache/var/run", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-apisix", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/apisix/rendered-conf", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-apisix-ingress-controller", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/apisix-ingress-controller/conf"]}, "unsure": ()}',
    '{"id": "bitnami-appsmith", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/appsmith/conf", "/opt/bitnami/appsmith/logs", "/opt/bitnami/appsmith/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-argo-cd", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-aspnet-core", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-cassandra", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/cassandra", "seed": "data"}, "/opt/bitnami/cassandra/conf", "/opt/bitnami/cassandra/logs", "/opt/bitnami/cassandra/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-clickhouse", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/clickhouse/etc", "/opt/bitnami/clickhouse/logs", "/opt/bitnami/clickhouse/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-clickhouse-keeper", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/clickhouse-keeper/etc", "/opt/bitnami/clickhouse-keeper/logs", "/opt/bitnami/clickhouse-keeper/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-clickhouse-operator", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-concourse", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/concourse/workdir", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-consul", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/consul", "/opt/bitnami/consul/conf", "/opt/bitnami/consul/logs", "/opt/bitnami/consul/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-deepspeed", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-dremio", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/dremio/conf", "/bitnami/dremio/rendered-conf", "/opt/bitnami/dremio/certs", "/opt/bitnami/dremio/conf", "/opt/bitnami/dremio/log", "/opt/bitnami/dremio/run", "/opt/bitnami/dremio/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-drupal", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/apache/conf", {"path": "/opt/bitnami/apache/logs", "seed": "copy", "optional": True}, "/opt/bitnami/apache/var/run", {"path": "/opt/bitnami/drupal", "seed": "copy"}, "/opt/bitnami/php/etc", "/opt/bitnami/php/tmp", "/opt/bitnami/php/var", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-ejbca", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/ejbca/conf", "/opt/bitnami/ejbca/tmp", "/opt/bitnami/wildfly/domain/configuration", "/opt/bitnami/wildfly/standalone", "/opt/bitnami/wildfly/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-elasticsearch", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/elasticsearch", "/opt/bitnami/elasticsearch/config", "/opt/bitnami/elasticsearch/logs", "/opt/bitnami/elasticsearch/plugins", "/opt/bitnami/elasticsearch/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-etcd", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/etcd", "seed": "data"}, "/opt/bitnami/etcd/conf", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-external-dns", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-flink", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/flink/conf", "/opt/bitnami/flink/conf", "/opt/bitnami/flink/log", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-fluent-bit", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-fluentd", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/fluentd/extensions", "/opt/bitnami/fluentd/gems", "/opt/bitnami/fluentd/specifications", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-ghost", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/opt/bitnami/ghost", "seed": "copy"}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-gitea", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/opt/bitnami/gitea", "seed": "copy"}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-gitlab-runner", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/grafana", "/opt/bitnami/grafana/conf", "/opt/bitnami/grafana/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana-alloy", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana-loki", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana-mimir", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana-operator", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-grafana-tempo", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/grafana-tempo/data", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-haproxy", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-influxdb", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-janusgraph", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/janusgraph/ext", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-jenkins", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/jenkins/certs", "/opt/bitnami/jenkins/logs", {"path": "/opt/bitnami/jenkins/plugins", "seed": "copy", "optional": True}, "/opt/bitnami/jenkins/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-jupyterhub", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-keycloak", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/keycloak", "/opt/bitnami/keycloak/conf", {"path": "/opt/bitnami/keycloak/data", "seed": "copy"}, {"path": "/opt/bitnami/keycloak/lib/quarkus", "seed": "copy"}, {"path": "/opt/bitnami/keycloak/providers", "seed": "copy", "optional": True}, {"path": "/opt/bitnami/keycloak/themes", "seed": "copy", "optional": True}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-keydb", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-kibana", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/kibana/config", "/opt/bitnami/kibana/logs", "/opt/bitnami/kibana/plugins", "/opt/bitnami/kibana/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-kong", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/kong/server", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-kube-state-metrics", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-logstash", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/logstash/config", "/opt/bitnami/logstash/pipeline", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mariadb", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/mariadb", "seed": "data"}, "/opt/bitnami/mariadb/conf", {"path": "/opt/bitnami/mariadb/logs", "seed": "copy", "optional": True}, "/opt/bitnami/mariadb/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mariadb-galera", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/mariadb", "seed": "data"}, "/opt/bitnami/mariadb/conf", {"path": "/opt/bitnami/mariadb/logs", "seed": "copy", "optional": True}, "/opt/bitnami/mariadb/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mastodon", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/mastodon/node_modules/.vite-temp", {"path": "/opt/bitnami/mastodon/public", "seed": "copy", "optional": True}, "/opt/bitnami/mastodon/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-memcached", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/memcached/conf", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-metrics-server", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/metrics-server/apiserver.local.config", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-milvus", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/milvus/data", "/bitnami/milvus/rendered-conf", "/opt/bitnami/milvus/configs", "/opt/bitnami/milvus/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-minio", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/minio/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-minio-operator", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mongodb", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/mongodb", "seed": "data"}, "/opt/bitnami/mongodb/conf", "/opt/bitnami/mongodb/logs", "/opt/bitnami/mongodb/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mongodb-sharded", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/mongodb", "seed": "data"}, "/opt/bitnami/mongodb/conf", "/opt/bitnami/mongodb/logs", "/opt/bitnami/mongodb/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-mysql", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/mysql", "seed": "data"}, "/opt/bitnami/mysql/conf", {"path": "/opt/bitnami/mysql/logs", "seed": "copy", "optional": True}, "/opt/bitnami/mysql/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-nats", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-neo4j", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/neo4j/.home", "/opt/bitnami/neo4j/conf", "/opt/bitnami/neo4j/logs", "/opt/bitnami/neo4j/plugins", "/opt/bitnami/neo4j/run", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-nessie", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-nginx", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/nginx/conf", {"path": "/opt/bitnami/nginx/logs", "seed": "copy", "optional": True}, "/opt/bitnami/nginx/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-nginx-ingress-controller", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-node-exporter", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-oauth2-proxy", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-opensearch", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/opensearch/config", "/opt/bitnami/opensearch/logs", "/opt/bitnami/opensearch/plugins", "/opt/bitnami/opensearch/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-opensearch-dashboards", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/opensearch-dashboards/config", "/opt/bitnami/opensearch-dashboards/logs", "/opt/bitnami/opensearch-dashboards/plugins", "/opt/bitnami/opensearch-dashboards/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-parse", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/parse/logs", "/opt/bitnami/parse/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-parse-dashboard", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/parse-dashboard", "/opt/bitnami/parse-dashboard/logs", "/opt/bitnami/parse-dashboard/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-pgpool", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/pgpool/conf", "/opt/bitnami/pgpool/etc", "/opt/bitnami/pgpool/logs", "/opt/bitnami/pgpool/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-phpmyadmin", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/apache/conf", {"path": "/opt/bitnami/apache/logs", "seed": "copy", "optional": True}, "/opt/bitnami/apache/var/run", "/opt/bitnami/php/etc", "/opt/bitnami/php/tmp", {"path": "/opt/bitnami/php/var", "seed": "copy", "optional": True}, {"path": "/opt/bitnami/phpmyadmin", "seed": "copy"}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-pinniped", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-postgresql", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/postgresql", "seed": "data"}, "/opt/bitnami/postgresql/conf", "/opt/bitnami/postgresql/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-postgresql-repmgr", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/postgresql", "seed": "data"}, "/opt/bitnami/postgresql/conf", "/opt/bitnami/postgresql/tmp", "/opt/bitnami/repmgr/conf", "/opt/bitnami/repmgr/logs", "/opt/bitnami/repmgr/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-prometheus", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-pytorch", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-rabbitmq", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/rabbitmq/.rabbitmq", "/opt/bitnami/rabbitmq/etc/rabbitmq", {"path": "/opt/bitnami/rabbitmq/plugins", "seed": "copy", "optional": True}, "/opt/bitnami/rabbitmq/var/lib/rabbitmq", "/opt/bitnami/rabbitmq/var/log/rabbitmq", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-redis", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/redis/data", "seed": "data"}, "/opt/bitnami/redis/etc", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-redis-cluster", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/redis/data", "seed": "data"}, "/opt/bitnami/redis/etc", "/opt/bitnami/redis/logs", "/opt/bitnami/redis/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-schema-registry", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/schema-registry/etc", "/opt/bitnami/schema-registry/logs", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-scylladb", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/scylladb/etc", "/opt/bitnami/scylladb/logs", "/opt/bitnami/scylladb/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-seaweedfs", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-solr", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/solr/certs", "/opt/bitnami/solr/logs", {"path": "/opt/bitnami/solr/server", "seed": "copy", "optional": True}, "/opt/bitnami/solr/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-sonarqube", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/opt/bitnami/sonarqube", "seed": "copy"}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-spark", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/spark/conf", "/opt/bitnami/spark/logs", "/opt/bitnami/spark/tmp", "/opt/bitnami/spark/work", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-tensorflow-resnet", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-tensorflow-serving", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/tensorflow-serving/conf", "/opt/bitnami/tensorflow-serving/logs", "/opt/bitnami/tensorflow-serving/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-tomcat", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/tomcat/conf", "/opt/bitnami/tomcat/logs", "/opt/bitnami/tomcat/temp", "/opt/bitnami/tomcat/work", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-valkey", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/valkey/data", "seed": "data"}, "/opt/bitnami/valkey/etc", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-valkey-cluster", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/valkey/data", "seed": "data"}, "/opt/bitnami/valkey/etc", "/opt/bitnami/valkey/logs", "/opt/bitnami/valkey/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-wildfly", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/opt/bitnami/wildfly/domain/configuration", "/opt/bitnami/wildfly/standalone", "/opt/bitnami/wildfly/tmp", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-wordpress", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/wordpress", "seed": "data"}, "/opt/bitnami/apache/conf", {"path": "/opt/bitnami/apache/logs", "seed": "copy", "optional": True}, "/opt/bitnami/apache/var/run", {"path": "/opt/bitnami/php/etc", "seed": "copy", "optional": True}, "/opt/bitnami/php/tmp", {"path": "/opt/bitnami/php/var", "seed": "copy", "optional": True}, {"path": "/opt/bitnami/wordpress", "seed": "copy"}, "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-zipkin", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/bitnami/zipkin/certs", "/opt/bitnami/zipkin/certs", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami-zookeeper", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": [{"path": "/bitnami/zookeeper", "seed": "data"}, "/opt/bitnami/zookeeper/conf", "/opt/bitnami/zookeeper/logs", "/tmp"]}, "unsure": ()}',
    '{"id": "bitnami", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "fsGroup": 1001, "anyUid": True, "programs": ["entrypoint.sh", "run.sh"], "writablePaths": ["/tmp"]}, "unsure": ("writablePaths",)}',
    '{"id": "caddy", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["caddy"], "writablePaths": ["/data", "/config"], "fileCapabilities": [{"path": "/usr/bin/caddy", "capabilities": ["NET_BIND_SERVICE"]}], "ports": [80, 443, 2019]}, "unsure": ()}',
    '{"id": "cassandra", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["cassandra", "docker-entrypoint.sh"], "writablePaths": [{"path": "/etc/cassandra", "seed": "copy", "owned": True}, {"path": "/var/lib/cassandra", "seed": "data"}, "/var/log/cassandra", "/tmp"], "ports": [7000, 7001, 7199, 9042, 9160]}, "unsure": ()}',
    '{"id": "cert-manager", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["controller", "webhook", "cainjector", "acmesolver", "startupapicheck", "ctl"], "writablePaths": [], "ports": [6080, 9402, 9403, 10250]}, "unsure": ()}',
    '{"id": "hubble-ui", "tags": ("*",), "facts": {"uid": 1000, "gid": 1000, "programs": ["nginx", "docker-entrypoint.sh"], "writablePaths": ["/tmp"], "ports": [8081]}, "unsure": ()}',
    '{"id": "hubble-ui-backend", "tags": ("*",), "facts": {"uid": 1000, "gid": 1000, "programs": ["backend"], "writablePaths": []}, "unsure": ()}',
    '{"id": "clickhouse", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 101, "gid": 101, "anyUid": True, "programs": ["clickhouse-server", "clickhouse", "entrypoint.sh"], "writablePaths": [{"path": "/var/lib/clickhouse", "seed": "data"}, "/var/log/clickhouse-server", "/tmp"], "ports": [8123, 9000, 9009]}, "unsure": ()}',
    '{"id": "cloudflared", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["cloudflared"], "writablePaths": [], "ports": [2000]}, "unsure": ()}',
    '{"id": "coredns-before-1.11", "tags": ("1.2.*", "1.3.*", "1.4.*", "1.5.*", "1.6.*", "1.7.*", "1.8.*", "1.9.*", "1.10.*", "v1.2.*", "v1.3.*", "v1.4.*", "v1.5.*", "v1.6.*", "v1.7.*", "v1.8.*", "v1.9.*", "v1.10.*"), "facts": {"defaultUser": 0, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["coredns"], "writablePaths": [], "ports": [53]}, "unsure": ()}',
    '{"id": "coredns", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["coredns"], "writablePaths": [], "fileCapabilities": [{"path": "/coredns", "capabilities": ["NET_BIND_SERVICE"]}], "ports": [53]}, "unsure": ()}',
    '{"id": "crossplane", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["crossplane"], "writablePaths": ["/cache", "/tls"]}, "unsure": ()}',
    '{"id": "curl", "tags": ("*",), "facts": {"defaultUser": 100, "uid": 100, "gid": 101, "anyUid": True, "programs": ["curl", "entrypoint.sh"], "writablePaths": ["/tmp"]}, "unsure": ()}',
    '{"id": "dex", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 1001, "anyUid": True, "programs": ["dex", "docker-entrypoint"], "writablePaths": ["/tmp", {"path": "/var/dex", "seed": "data", "optional": True}], "ports": [5556, 5557, 5558]}, "unsure": ()}',
    '{"id": "distroless-nonroot", "tags": ("*nonroot*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "distroless-root", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "dotnet-before-8", "tags": ("1.*", "2.*", "3.*", "5.*", "6.*", "7.*"), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True, "writablePaths": ["/tmp"], "ports": [80]}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand", "writablePaths", "ports")}',
    '{"id": "dotnet-distroless", "tags": ("*chiseled*", "*distroless*"), "facts": {"defaultUser": 1654, "uid": 1654, "gid": 1654, "anyUid": True, "dependsOnCommand": True, "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand", "writablePaths", "ports")}',
    '{"id": "dotnet", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1654, "gid": 1654, "anyUid": True, "dependsOnCommand": True, "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ("defaultUser", "uid", "gid", "anyUid", "dependsOnCommand", "writablePaths", "ports")}',
    '{"id": "eclipse-temurin", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True, "writablePaths": [{"path": "/tmp", "seed": "empty", "optional": True}]}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand", "writablePaths")}',
    '{"id": "elasticsearch", "tags": ("*",), "facts": {"uid": 1000, "gid": 0, "fsGroup": 1000, "programs": ["docker-entrypoint.sh", "eswrapper", "elasticsearch"], "writablePaths": [{"path": "/usr/share/elasticsearch/data", "seed": "data"}, "/usr/share/elasticsearch/logs", {"path": "/usr/share/elasticsearch/config", "seed": "copy", "owned": True}, "/tmp"], "ports": [9200, 9300]}, "unsure": ()}',
    '{"id": "kibana", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 0, "anyUid": True, "programs": ["kibana-docker", "kibana"], "writablePaths": ["/usr/share/kibana/data", {"path": "/usr/share/kibana/config", "seed": "copy", "optional": True}, {"path": "/usr/share/kibana/plugins", "seed": "copy", "optional": True}, "/tmp"], "ports": [5601]}, "unsure": ()}',
    '{"id": "logstash", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "programs": ["docker-entrypoint", "logstash"], "writablePaths": ["/usr/share/logstash/data", {"path": "/usr/share/logstash/config", "seed": "copy", "optional": True}, "/tmp"], "ports": [5044, 9600]}, "unsure": ()}',
    '{"id": "envoy-distroless", "tags": ("*distroless*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["envoy"], "writablePaths": [], "ports": [10000]}, "unsure": ()}',
    '{"id": "envoy", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 101, "gid": 101, "anyUid": True, "programs": ["envoy", "docker-entrypoint.sh"], "writablePaths": [], "ports": [10000]}, "unsure": ()}',
    '{"id": "etcd", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["etcd"], "writablePaths": [{"path": "/var/lib/etcd", "seed": "data", "optional": True}], "ports": [2379, 2380]}, "unsure": ()}',
    '{"id": "postgres-exporter", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["postgres_exporter"], "writablePaths": [], "ports": [9187]}, "unsure": ()}',
    '{"id": "mysqld-exporter", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["mysqld_exporter"], "writablePaths": [], "ports": [9104]}, "unsure": ()}',
    '{"id": "nginx-prometheus-exporter", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 1001, "anyUid": True, "programs": ["nginx-prometheus-exporter"], "writablePaths": [], "ports": [9113]}, "unsure": ()}',
    '{"id": "external-secrets", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["external-secrets"], "writablePaths": [], "ports": [8080, 8081, 10250]}, "unsure": ()}',
    '{"id": "fluent-bit", "tags": ("*",), "facts": {"programs": ["fluent-bit"], "writablePaths": [{"path": "/tmp", "seed": "empty", "optional": True}], "ports": [2020]}, "unsure": ()}',
    '{"id": "fluentd-debian", "tags": ("*debian*",), "facts": {"defaultUser": 999, "uid": 999, "gid": 999, "programs": ["fluentd", "entrypoint.sh"], "writablePaths": ["/fluentd/log", "/tmp", {"path": "/fluentd/etc", "seed": "copy", "optional": True}], "ports": [5140, 24224]}, "unsure": ()}',
    '{"id": "flux-source-controller", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "fsGroup": 1337, "anyUid": True, "programs": ["source-controller"], "writablePaths": ["/tmp", {"path": "/data", "seed": "data"}], "ports": [8080, 9090, 9440]}, "unsure": ()}',
    '{"id": "flux-controllers", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "fsGroup": 1337, "anyUid": True, "programs": ["kustomize-controller", "helm-controller", "notification-controller", "image-automation-controller", "image-reflector-controller"], "writablePaths": ["/tmp"], "ports": [8080, 9090, 9440]}, "unsure": ()}',
    '{"id": "gatekeeper", "tags": ("*",), "facts": {"uid": 1000, "gid": 999, "programs": ["manager", "gatekeeper"], "writablePaths": ["/tmp/audit"]}, "unsure": ()}',
    '{"id": "ghost", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["docker-entrypoint.sh", "node"], "writablePaths": [{"path": "/var/lib/ghost/content", "seed": "data"}, "/tmp"], "ports": [2368]}, "unsure": ()}',
    '{"id": "gitea-rootless", "tags": ("*rootless*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["docker-entrypoint.sh", "gitea"], "writablePaths": [{"path": "/var/lib/gitea", "seed": "data"}, "/etc/gitea", "/tmp"], "ports": [2222, 3000]}, "unsure": ()}',
    '{"id": "gitea-by-digest", "tags": ("",), "facts": {"programs": ["entrypoint", "s6-svscan", "docker-entrypoint.sh", "gitea"], "ports": [3000]}, "unsure": ()}',
    '{"id": "gitea", "tags": ("*",), "facts": {"programs": ["entrypoint", "s6-svscan"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [22, 3000], "cannotRestrict": {"code": "switches-users", "reason": "s6 and sshd start as root and step down to git; the -rootless tags can be restricted"}}, "unsure": ("cannotRestrict",)}',
    '{"id": "golang", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True, "writablePaths": [{"path": "/tmp", "seed": "empty", "optional": True}], "env": {"GOCACHE": "/tmp/go-build"}}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand", "writablePaths", "env")}',
    '{"id": "hello-app", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["hello-app"], "writablePaths": [], "ports": [8080]}, "unsure": ()}',
    '{"id": "cloud-sql-proxy", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["cloud_sql_proxy", "cloud-sql-proxy"], "writablePaths": []}, "unsure": ()}',
    '{"id": "grafana", "tags": ("*",), "facts": {"defaultUser": 472, "uid": 472, "gid": 472, "anyUid": True, "programs": ["run.sh", "grafana", "grafana-server"], "writablePaths": [{"path": "/var/lib/grafana", "seed": "data"}, "/tmp", {"path": "/var/log/grafana", "seed": "empty", "optional": True}], "ports": [3000]}, "unsure": ()}',
    '{"id": "loki", "tags": ("*",), "facts": {"defaultUser": 10001, "uid": 10001, "gid": 10001, "programs": ["loki"], "writablePaths": [{"path": "/loki", "seed": "data"}, {"path": "/var/loki", "seed": "data", "optional": True}, "/tmp"], "ports": [3100]}, "unsure": ()}',
    '{"id": "promtail", "tags": ("*",), "facts": {"defaultUser": 0, "programs": ["promtail"], "writablePaths": ["/run/promtail", "/tmp"], "ports": [3101], "cannotRestrict": {"code": "host-agent", "reason": "it reads the logs of the node, which belong to root"}}, "unsure": ()}',
    '{"id": "tempo", "tags": ("*",), "facts": {"defaultUser": 10001, "uid": 10001, "gid": 10001, "anyUid": True, "programs": ["tempo"], "writablePaths": [{"path": "/var/tempo", "seed": "data"}, "/tmp"], "ports": [3200]}, "unsure": ()}',
    '{"id": "haproxy-before-2.4", "tags": ("1", "1.*", "1-*", "2.0*", "2.1*", "2.2*", "2.3*"), "facts": {"defaultUser": 0, "uid": 99, "gid": 99, "anyUid": True, "programs": ["haproxy", "docker-entrypoint.sh"], "writablePaths": ["/var/lib/haproxy"]}, "unsure": ()}',
    '{"id": "haproxy", "tags": ("*",), "facts": {"defaultUser": 99, "uid": 99, "gid": 99, "anyUid": True, "programs": ["haproxy", "docker-entrypoint.sh"], "writablePaths": ["/var/lib/haproxy"]}, "unsure": ()}',
    '{"id": "vault", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 100, "gid": 1000, "anyUid": True, "programs": ["vault", "docker-entrypoint.sh"], "writablePaths": ["/home/vault", {"path": "/vault/data", "seed": "data"}, {"path": "/vault/logs", "seed": "empty", "optional": True}, {"path": "/vault/file", "seed": "data", "optional": True}, "/tmp"], "ports": [8200, 8201], "env": {"SKIP_CHOWN": "true", "SKIP_SETCAP": "true", "VAULT_DISABLE_MLOCK": "true", "HOME": "/home/vault"}}, "unsure": ()}',
    '{"id": "consul", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 100, "gid": 1000, "anyUid": True, "programs": ["consul", "docker-entrypoint.sh"], "writablePaths": [{"path": "/consul/data", "seed": "data"}, {"path": "/consul/config", "seed": "empty", "optional": True}, "/tmp"], "ports": [8300, 8301, 8302, 8500, 8600]}, "unsure": ()}',
    '{"id": "httpd-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "anyUid": True, "programs": ["httpd", "httpd-foreground"], "writablePaths": ["/usr/local/apache2/logs"], "ports": [80]}, "unsure": ()}',
    '{"id": "httpd-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 82, "gid": 82, "anyUid": True, "programs": ["httpd", "httpd-foreground"], "writablePaths": ["/usr/local/apache2/logs"], "ports": [80]}, "unsure": ()}',
    '{"id": "httpd", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["httpd", "httpd-foreground"], "writablePaths": ["/usr/local/apache2/logs"], "ports": [80]}, "unsure": ()}',
    '{"id": "influxdb", "tags": ("2*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["influxd", "entrypoint.sh"], "writablePaths": [{"path": "/var/lib/influxdb2", "seed": "data"}, "/etc/influxdb2", "/tmp", {"path": "/home/influxdb", "seed": "empty", "optional": True}], "ports": [8086]}, "unsure": ()}',
    '{"id": "ingress-nginx-controller", "tags": ("*",), "facts": {"defaultUser": 101, "uid": 101, "gid": 82, "programs": ["nginx-ingress-controller", "nginx", "dumb-init"], "writablePaths": [{"path": "/etc/nginx", "seed": "copy", "owned": True}, {"path": "/etc/ingress-controller", "seed": "copy", "owned": True}, "/tmp", {"path": "/var/log/nginx", "seed": "copy", "owned": True}], "fileCapabilities": [{"path": "/usr/bin/dumb-init", "capabilities": ["NET_BIND_SERVICE"]}, {"path": "/nginx-ingress-controller", "capabilities": ["NET_BIND_SERVICE"]}, {"path": "/usr/local/nginx/sbin/nginx", "capabilities": ["NET_BIND_SERVICE"]}], "ports": [80, 443, 8181, 8443, 10254]}, "unsure": ()}',
    '{"id": "kube-webhook-certgen", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["kube-webhook-certgen"], "writablePaths": []}, "unsure": ()}',
    '{"id": "istio-pilot", "tags": ("*",), "facts": {"defaultUser": 1337, "uid": 1337, "gid": 1337, "anyUid": True, "programs": ["pilot-discovery"], "writablePaths": ["/var/run/secrets/istio-dns"], "ports": [8080, 15010, 15012, 15014, 15017]}, "unsure": ()}',
    '{"id": "istio-proxyv2", "tags": ("*",), "facts": {"uid": 1337, "gid": 1337, "keepsUser": True, "programs": ["pilot-agent", "envoy"], "writablePaths": ["/etc/istio/proxy", "/var/lib/istio/data", "/var/run/secrets/workload-spiffe-uds", "/var/run/secrets/credential-uds", "/var/run/secrets/workload-spiffe-credentials"], "ports": [15020, 15021, 15090]}, "unsure": ()}',
    '{"id": "istio-ztunnel", "tags": ("*",), "facts": {"keepsUser": True, "writablePaths": ["/tmp"], "cannotRestrict": {"code": "host-agent", "reason": "it works in the network of the pods of its node: NET_ADMIN, SYS_ADMIN"}}, "unsure": ()}',
    '{"id": "bookinfo-reviews", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["server"], "writablePaths": ["/tmp", {"path": "/opt/ibm/wlp/output", "seed": "empty", "optional": True}], "ports": [9080]}, "unsure": ()}',
    '{"id": "bookinfo", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["python", "ruby", "node"], "writablePaths": [], "ports": [9080]}, "unsure": ()}',
    '{"id": "jaeger", "tags": ("*",), "facts": {"defaultUser": 10001, "uid": 10001, "gid": 10001, "anyUid": True, "programs": ["jaeger", "jaeger-linux", "all-in-one", "all-in-one-linux"], "writablePaths": ["/tmp", {"path": "/badger", "seed": "data", "optional": True}], "ports": [4317, 4318, 5778, 5779, 9411, 13132, 13133, 14250, 14268, 16686]}, "unsure": ()}',
    '{"id": "jenkins", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "programs": ["jenkins.sh"], "writablePaths": [{"path": "/var/jenkins_home", "seed": "data"}, "/tmp"], "ports": [8080, 50000]}, "unsure": ()}',
    '{"id": "kafka", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "programs": ["run", "__cacert_entrypoint.sh"], "writablePaths": [{"path": "/opt/kafka/config", "seed": "copy", "owned": True}, "/opt/kafka/logs", {"path": "/var/lib/kafka/data", "seed": "data"}, "/mnt/shared/config", "/etc/kafka/secrets", "/tmp"], "ports": [9092]}, "unsure": ()}',
    '{"id": "keda", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["keda", "keda-adapter", "keda-admission-webhooks"], "writablePaths": ["/tmp"], "ports": [8080, 8081, 9443]}, "unsure": ()}',
    '{"id": "keycloak", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 0, "anyUid": True, "programs": ["kc.sh"], "writablePaths": [{"path": "/opt/keycloak/lib/quarkus", "seed": "copy", "owned": True}, "/opt/keycloak/data", "/tmp"], "ports": [8080, 8443, 9000]}, "unsure": ()}',
    '{"id": "knative", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["controller", "webhook", "activator", "autoscaler", "autoscaler-hpa", "queue", "ingress", "filter", "broker", "channel_controller", "channel_dispatcher", "mtchannel_broker", "mtping", "jobsink", "migrate", "kourier"], "writablePaths": [], "ports": [8008, 8012, 8443, 9090]}, "unsure": ()}',
    '{"id": "kube-state-metrics", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["kube-state-metrics"], "writablePaths": [], "ports": [8080, 8081]}, "unsure": ()}',
    '{"id": "kube-rbac-proxy", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["kube-rbac-proxy"], "writablePaths": [], "ports": [8443]}, "unsure": ()}',
    '{"id": "metrics-server", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["metrics-server"], "writablePaths": ["/tmp"], "ports": [10250]}, "unsure": ()}',
    '{"id": "cluster-autoscaler", "tags": ("*",), "facts": {"uid": 65534, "gid": 65534, "anyUid": True, "programs": ["cluster-autoscaler"], "writablePaths": [], "ports": [8085]}, "unsure": ()}',
    '{"id": "kubernetes-dashboard", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 2001, "anyUid": True, "programs": ["dashboard", "dashboard-web", "dashboard-api", "dashboard-auth", "metrics-sidecar"], "writablePaths": ["/tmp"], "ports": [8000, 8443]}, "unsure": ()}',
    '{"id": "external-dns", "tags": ("*",), "facts": {"uid": 65532, "gid": 65532, "fsGroup": 65534, "anyUid": True, "programs": ["external-dns"], "writablePaths": [], "ports": [7979]}, "unsure": ()}',
    '{"id": "csi-sidecars", "tags": ("*",), "facts": {"defaultUser": 0, "programs": ["csi-node-driver-registrar", "livenessprobe", "csi-provisioner", "csi-resizer", "csi-attacher", "csi-snapshotter"], "writablePaths": []}, "unsure": ()}',
    '{"id": "kube-system-static", "tags": ("*",), "facts": {"defaultUser": 0, "programs": ["kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"], "cannotRestrict": {"code": "host-agent", "reason": "a part of the control plane or of the node: host network and host paths by design"}}, "unsure": ()}',
    '{"id": "addon-resizer", "tags": ("*",), "facts": {"uid": 1000, "gid": 1000, "anyUid": True, "programs": ["pod_nanny"], "writablePaths": []}, "unsure": ()}',
    '{"id": "pause", "tags": ("*",), "facts": {"uid": 65535, "gid": 65535, "anyUid": True, "programs": ["pause"], "writablePaths": []}, "unsure": ()}',
    '{"id": "linkerd-controller", "tags": ("*",), "facts": {"uid": 2103, "gid": 2103, "programs": ["controller", "linkerd-policy-controller"], "writablePaths": [], "ports": [8085, 8443]}, "unsure": ()}',
    '{"id": "linkerd-proxy", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 2102, "keepsUser": True, "programs": ["linkerd2-proxy-identity", "linkerd2-proxy", "linkerd-await"], "writablePaths": ["/var/run/linkerd/identity/end-entity"], "fileCapabilities": [{"path": "/usr/lib/linkerd/linkerd2-proxy-init", "capabilities": ["NET_RAW", "NET_ADMIN"]}], "ports": [4143, 4191]}, "unsure": ()}',
    '{"id": "linkerd-viz", "tags": ("*",), "facts": {"uid": 2103, "gid": 2103, "programs": ["metrics-api", "tap", "web"], "writablePaths": []}, "unsure": ()}',
    '{"id": "linkerd-cni-plugin", "tags": ("*",), "facts": {"cannotRestrict": {"code": "host-agent", "reason": "it installs a network plugin on the node"}}, "unsure": ()}',
    '{"id": "busybox", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "alpine", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "debian-ubuntu", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "bash-perl-ruby", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "linuxserver", "tags": ("*",), "facts": {"writablePaths": [{"path": "/config", "seed": "data"}], "cannotRestrict": {"code": "needs-root", "reason": "its init (s6-overlay) starts as root and changes owners and users"}}, "unsure": ("writablePaths", "cannotRestrict")}',
    '{"id": "mariadb-ubi", "tags": ("*ubi*",), "facts": {"defaultUser": 999, "uid": 999, "gid": 999, "anyUid": True, "programs": ["mariadbd", "mysqld", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/mysql", "seed": "data"}, "/run/mariadb", "/tmp"], "ports": [3306]}, "unsure": ()}',
    '{"id": "mariadb", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["mariadbd", "mysqld", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/mysql", "seed": "data"}, "/run/mysqld", "/tmp"], "ports": [3306]}, "unsure": ()}',
    '{"id": "memcached", "tags": ("*",), "facts": {"defaultUser": 11211, "uid": 11211, "gid": 11211, "anyUid": True, "programs": ["memcached", "docker-entrypoint.sh"], "writablePaths": [], "ports": [11211]}, "unsure": ()}',
    '{"id": "metacontroller", "tags": ("*",), "facts": {"uid": 1000, "programs": ["metacontroller"], "writablePaths": []}, "unsure": ()}',
    '{"id": "metallb-controller", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["controller"], "writablePaths": [], "ports": [7472, 9443]}, "unsure": ()}',
    '{"id": "minio", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["minio", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}, "/tmp", "/.minio"], "ports": [9000, 9001]}, "unsure": ()}',
    '{"id": "mongo-express", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["docker-entrypoint.sh", "mongo-express"], "ports": [8081]}, "unsure": ()}',
    '{"id": "mongo", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["mongod", "mongos", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data/db", "seed": "data"}, "/data/configdb", "/tmp"], "ports": [27017]}, "unsure": ()}',
    '{"id": "eclipse-mosquitto", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1883, "gid": 1883, "anyUid": True, "programs": ["mosquitto", "docker-entrypoint.sh"], "writablePaths": [{"path": "/mosquitto/data", "seed": "data"}, "/mosquitto/log"], "ports": [1883]}, "unsure": ()}',
    '{"id": "mysql", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["mysqld", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/mysql", "seed": "data"}, "/var/run/mysqld", "/tmp"], "ports": [3306, 33060]}, "unsure": ()}',
    '{"id": "nats", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["nats-server", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data", "optional": True}], "ports": [4222, 6222, 8222]}, "unsure": ()}',
    '{"id": "neo4j", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 7474, "gid": 7474, "anyUid": True, "programs": ["docker-entrypoint.sh", "neo4j"], "writablePaths": [{"path": "/data", "seed": "data"}, "/logs", {"path": "/var/lib/neo4j/conf", "seed": "copy", "owned": True}, "/var/lib/neo4j/run", "/tmp"], "ports": [7473, 7474, 7687]}, "unsure": ("writablePaths",)}',
    '{"id": "nextcloud-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "anyUid": True, "programs": ["apache2-foreground", "entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "data"}, {"path": "/usr/local/etc/php/conf.d", "seed": "copy", "optional": True}, "/tmp"]}, "unsure": ()}',
    '{"id": "nextcloud-fpm-alpine", "tags": ("*fpm-alpine*",), "facts": {"defaultUser": 0, "uid": 82, "gid": 82, "anyUid": True, "programs": ["php-fpm", "entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "data"}, {"path": "/usr/local/etc/php/conf.d", "seed": "copy", "optional": True}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "nextcloud-fpm", "tags": ("*fpm*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["php-fpm", "entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "data"}, {"path": "/usr/local/etc/php/conf.d", "seed": "copy", "optional": True}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "nextcloud", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["apache2-foreground", "entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "data"}, {"path": "/usr/local/etc/php/conf.d", "seed": "copy", "optional": True}, "/var/run/apache2", {"path": "/var/lock/apache2", "seed": "empty", "optional": True}, "/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "nginx", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 101, "gid": 101, "anyUid": True, "programs": ["nginx", "nginx-debug", "docker-entrypoint.sh"], "writablePaths": ["/var/cache/nginx", "/run", {"path": "/etc/nginx/conf.d", "seed": "copy", "optional": True}], "ports": [80]}, "unsure": ()}',
    '{"id": "nginx-unprivileged", "tags": ("*",), "facts": {"defaultUser": 101, "uid": 101, "gid": 101, "anyUid": True, "programs": ["nginx", "nginx-debug", "docker-entrypoint.sh"], "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ()}',
    '{"id": "node-infrastructure", "tags": ("*",), "facts": {"defaultUser": 0, "cannotRestrict": {"code": "host-agent", "reason": "a network, storage or device agent of the node: host paths, host network or privileges by design"}}, "unsure": ()}',
    '{"id": "node", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "dependsOnCommand": True, "writablePaths": [{"path": "/tmp", "seed": "empty", "optional": True}, {"path": "/home/node", "seed": "empty", "optional": True}]}, "unsure": ("defaultUser", "uid", "gid", "anyUid", "dependsOnCommand", "writablePaths")}',
    '{"id": "oauth2-proxy", "tags": ("*",), "facts": {"uid": 65532, "gid": 65532, "anyUid": True, "programs": ["oauth2-proxy"], "writablePaths": [], "ports": [4180]}, "unsure": ()}',
    '{"id": "online-boutique-adservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["AdService"], "writablePaths": [], "ports": [9555]}, "unsure": ()}',
    '{"id": "online-boutique-cartservice", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["cartservice"], "writablePaths": [], "ports": [7070]}, "unsure": ()}',
    '{"id": "online-boutique-checkoutservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["checkoutservice"], "writablePaths": [], "ports": [5050]}, "unsure": ()}',
    '{"id": "online-boutique-currencyservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["node"], "writablePaths": [], "ports": [7000]}, "unsure": ()}',
    '{"id": "online-boutique-emailservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["python"], "writablePaths": [], "ports": [8080]}, "unsure": ()}',
    '{"id": "online-boutique-frontend", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["server", "frontend"], "writablePaths": [], "ports": [8080]}, "unsure": ()}',
    '{"id": "online-boutique-paymentservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["node"], "writablePaths": [], "ports": [50051]}, "unsure": ()}',
    '{"id": "online-boutique-productcatalogservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["server", "productcatalogservice"], "writablePaths": [], "ports": [3550]}, "unsure": ()}',
    '{"id": "online-boutique-recommendationservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["python"], "writablePaths": [], "ports": [8080]}, "unsure": ()}',
    '{"id": "online-boutique-shippingservice", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["shippingservice"], "writablePaths": [], "ports": [50051]}, "unsure": ()}',
    '{"id": "online-boutique-loadgenerator", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["locust"], "writablePaths": []}, "unsure": ()}',
    '{"id": "otel-collector", "tags": ("*",), "facts": {"defaultUser": 10001, "uid": 10001, "gid": 10001, "anyUid": True, "programs": ["otelcol", "otelcol-contrib", "otelcol-k8s"], "writablePaths": [], "ports": [4317, 4318, 55679]}, "unsure": ()}',
    '{"id": "php-apache", "tags": ("*apache*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["apache2-foreground", "docker-php-entrypoint"], "writablePaths": ["/var/run/apache2", {"path": "/var/lock/apache2", "seed": "empty", "optional": True}, "/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "php-fpm-alpine", "tags": ("*fpm-alpine*",), "facts": {"defaultUser": 0, "uid": 82, "gid": 82, "anyUid": True, "programs": ["php-fpm", "docker-php-entrypoint"], "writablePaths": ["/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "php-fpm", "tags": ("*fpm*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["php-fpm", "docker-php-entrypoint"], "writablePaths": ["/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "php", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand")}',
    '{"id": "phpmyadmin-fpm-alpine", "tags": ("*fpm-alpine*",), "facts": {"defaultUser": 0, "uid": 82, "gid": 82, "programs": ["php-fpm", "docker-entrypoint.sh"], "writablePaths": ["/sessions", "/var/www/html/tmp", {"path": "/etc/phpmyadmin", "seed": "copy", "owned": True}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "phpmyadmin-fpm", "tags": ("*fpm*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "programs": ["php-fpm", "docker-entrypoint.sh"], "writablePaths": ["/sessions", "/var/www/html/tmp", {"path": "/etc/phpmyadmin", "seed": "copy", "owned": True}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "phpmyadmin", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "programs": ["apache2-foreground", "docker-entrypoint.sh"], "writablePaths": ["/sessions", "/var/www/html/tmp", {"path": "/etc/phpmyadmin", "seed": "copy", "owned": True}, "/var/run/apache2", {"path": "/var/lock/apache2", "seed": "empty", "optional": True}, "/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "podinfo", "tags": ("*",), "facts": {"defaultUser": 100, "uid": 100, "gid": 101, "anyUid": True, "programs": ["podinfo"], "writablePaths": [{"path": "/data", "seed": "empty", "optional": True}], "ports": [9797, 9898, 9999]}, "unsure": ()}',
    '{"id": "postgis-18-alpine", "tags": ("18*alpine*",), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "postgis-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "postgis-18", "tags": ("18*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "postgis", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "timescaledb-pg18", "tags": ("*pg18*",), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "timescaledb", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "pgvector-pg18", "tags": ("*pg18*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "pgvector", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "postgres-operator", "tags": ("*",), "facts": {"uid": 1000, "programs": ["postgres-operator"], "writablePaths": []}, "unsure": ()}',
    '{"id": "postgres-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ("writablePaths",)}',
    '{"id": "postgres-18-alpine", "tags": ("18*alpine*", "19*alpine*", "alpine*"), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "postgres-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 70, "gid": 70, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "postgres-18", "tags": ("18*", "19*", "latest", "trixie", "bookworm"), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432]}, "unsure": ()}',
    '{"id": "postgres", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "programs": ["postgres", "docker-entrypoint.sh"], "writablePaths": ["/var/run/postgresql", {"path": "/var/lib/postgresql/data", "seed": "data"}, {"path": "/tmp", "seed": "empty", "optional": True}], "ports": [5432], "ownedFolder": {"path": "/var/lib/postgresql/data", "variable": "PGDATA", "subfolder": "pgdata"}}, "unsure": ()}',
    '{"id": "prometheus-distroless", "tags": ("*distroless*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["prometheus"], "writablePaths": [{"path": "/prometheus", "seed": "data"}], "ports": [9090]}, "unsure": ()}',
    '{"id": "prometheus", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["prometheus"], "writablePaths": [{"path": "/prometheus", "seed": "data"}], "ports": [9090]}, "unsure": ()}',
    '{"id": "alertmanager", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["alertmanager"], "writablePaths": [{"path": "/alertmanager", "seed": "data"}], "ports": [9093]}, "unsure": ()}',
    '{"id": "node-exporter", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["node_exporter"], "writablePaths": [], "ports": [9100]}, "unsure": ()}',
    '{"id": "blackbox-exporter", "tags": ("*",), "facts": {"uid": 65534, "gid": 65534, "anyUid": True, "programs": ["blackbox_exporter"], "writablePaths": [], "ports": [9115]}, "unsure": ()}',
    '{"id": "pushgateway", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["pushgateway"], "writablePaths": [], "ports": [9091]}, "unsure": ()}',
    '{"id": "prometheus-operator", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["operator", "prometheus-config-reloader"], "writablePaths": [], "ports": [8080]}, "unsure": ()}',
    '{"id": "prometheus-adapter", "tags": ("*",), "facts": {"uid": 65534, "gid": 65534, "anyUid": True, "programs": ["adapter"], "writablePaths": ["/tmp", {"path": "/var/run/serving-cert", "seed": "empty", "optional": True}], "ports": [6443]}, "unsure": ()}',
    '{"id": "configmap-reload", "tags": ("*",), "facts": {"defaultUser": 65534, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["configmap-reload"], "writablePaths": []}, "unsure": ()}',
    '{"id": "python", "tags": ("*",), "facts": {"defaultUser": 0, "anyUid": True, "dependsOnCommand": True, "writablePaths": [{"path": "/tmp", "seed": "empty", "optional": True}]}, "unsure": ("defaultUser", "anyUid", "dependsOnCommand", "writablePaths")}',
    '{"id": "rabbitmq-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "anyUid": True, "programs": ["rabbitmq-server", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/rabbitmq", "seed": "data"}, {"path": "/etc/rabbitmq", "seed": "copy", "optional": True}, "/var/log/rabbitmq", "/tmp"], "ports": [4369, 5671, 5672, 15691, 15692, 25672]}, "unsure": ()}',
    '{"id": "rabbitmq-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 100, "gid": 101, "anyUid": True, "programs": ["rabbitmq-server", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/rabbitmq", "seed": "data"}, {"path": "/etc/rabbitmq", "seed": "copy", "optional": True}, "/var/log/rabbitmq", "/tmp"], "ports": [4369, 5671, 5672, 15691, 15692, 25672]}, "unsure": ()}',
    '{"id": "rabbitmq", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["rabbitmq-server", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/lib/rabbitmq", "seed": "data"}, {"path": "/etc/rabbitmq", "seed": "copy", "optional": True}, "/var/log/rabbitmq", "/tmp"], "ports": [4369, 5671, 5672, 15691, 15692, 25672]}, "unsure": ()}',
    '{"id": "redis-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "uid": 999, "anyUid": True, "programs": ["redis-server", "redis-sentinel", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [6379]}, "unsure": ()}',
    '{"id": "redis-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 1000, "anyUid": True, "programs": ["redis-server", "redis-sentinel", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [6379]}, "unsure": ()}',
    '{"id": "redis", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["redis-server", "redis-sentinel", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [6379]}, "unsure": ()}',
    '{"id": "redis-exporter-alpine", "tags": ("*alpine*",), "facts": {"uid": 59000, "gid": 59000, "anyUid": True, "programs": ["redis_exporter"], "writablePaths": [], "ports": [9121]}, "unsure": ()}',
    '{"id": "redis-exporter", "tags": ("*",), "facts": {"defaultUser": 59000, "uid": 59000, "gid": 59000, "anyUid": True, "programs": ["redis_exporter"], "writablePaths": [], "ports": [9121]}, "unsure": ()}',
    '{"id": "registry", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["registry", "entrypoint.sh"], "writablePaths": [{"path": "/var/lib/registry", "seed": "data"}], "ports": [5000]}, "unsure": ()}',
    '{"id": "sealed-secrets", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 1001, "fsGroup": 65534, "anyUid": True, "programs": ["controller"], "writablePaths": ["/tmp"], "ports": [8080, 8081]}, "unsure": ()}',
    '{"id": "sock-shop-java", "tags": ("*",), "facts": {"uid": 10001, "gid": 10001, "programs": ["java", "java.sh"], "writablePaths": ["/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "sock-shop-catalogue", "tags": ("*",), "facts": {"defaultUser": 10001, "uid": 10001, "gid": 10001, "programs": ["app"], "writablePaths": [], "fileCapabilities": [{"path": "/app", "capabilities": ["NET_BIND_SERVICE"]}], "ports": [80]}, "unsure": ()}',
    '{"id": "sock-shop-go", "tags": ("*",), "facts": {"uid": 10001, "gid": 10001, "programs": ["app", "user"], "writablePaths": [], "ports": [80]}, "unsure": ()}',
    '{"id": "sock-shop-front-end", "tags": ("*",), "facts": {"uid": 10001, "gid": 10001, "programs": ["npm", "node"], "writablePaths": [], "ports": [8079]}, "unsure": ()}',
    '{"id": "solr", "tags": ("*",), "facts": {"defaultUser": 8983, "uid": 8983, "gid": 8983, "programs": ["docker-entrypoint.sh", "solr-foreground", "solr-precreate", "solr"], "writablePaths": [{"path": "/var/solr", "seed": "data"}, "/tmp"], "ports": [8983]}, "unsure": ()}',
    '{"id": "sonarqube", "tags": ("*",), "facts": {"defaultUser": 1000, "uid": 1000, "gid": 0, "fsGroup": 1000, "programs": ["entrypoint.sh", "sonar.sh", "run.sh"], "writablePaths": [{"path": "/opt/sonarqube/data", "seed": "data"}, {"path": "/opt/sonarqube/extensions", "seed": "copy", "optional": True}, "/opt/sonarqube/logs", "/opt/sonarqube/temp", "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "strimzi-operator", "tags": ("*",), "facts": {"defaultUser": 1001, "uid": 1001, "gid": 0, "anyUid": True, "programs": ["cluster_operator_run.sh", "user_operator_run.sh", "topic_operator_run.sh"], "writablePaths": ["/tmp"], "ports": [8080]}, "unsure": ()}',
    '{"id": "tekton", "tags": ("*",), "facts": {"defaultUser": 65532, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["controller", "webhook", "events", "resolvers"], "writablePaths": [], "ports": [8080, 8443, 9090]}, "unsure": ()}',
    '{"id": "tomcat", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["catalina.sh"], "writablePaths": ["/usr/local/tomcat/work", "/usr/local/tomcat/temp", "/usr/local/tomcat/logs", {"path": "/usr/local/tomcat/conf/Catalina", "seed": "empty", "optional": True}, {"path": "/usr/local/tomcat/webapps", "seed": "copy", "optional": True}], "ports": [8080]}, "unsure": ()}',
    '{"id": "traefik", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 65532, "gid": 65532, "anyUid": True, "programs": ["traefik", "entrypoint.sh"], "writablePaths": ["/tmp", {"path": "/data", "seed": "data", "optional": True}], "ports": [80, 443, 8080]}, "unsure": ()}',
    '{"id": "whoami", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 65534, "gid": 65534, "anyUid": True, "programs": ["whoami"], "writablePaths": [], "ports": [80]}, "unsure": ()}',
    '{"id": "valkey-alpine", "tags": ("*alpine*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 1000, "anyUid": True, "programs": ["valkey-server", "valkey-sentinel", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [6379]}, "unsure": ()}',
    '{"id": "valkey", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 999, "gid": 999, "anyUid": True, "programs": ["valkey-server", "valkey-sentinel", "docker-entrypoint.sh"], "writablePaths": [{"path": "/data", "seed": "data"}], "ports": [6379]}, "unsure": ()}',
    '{"id": "varnish", "tags": ("7*", "8*", "9*", "latest", "fresh*", "stable*", "old*"), "facts": {"uid": 1000, "gid": 1000, "anyUid": True, "programs": ["varnishd", "docker-varnish-entrypoint"], "writablePaths": ["/var/lib/varnish"], "ports": [80, 8443]}, "unsure": ()}',
    '{"id": "vector", "tags": ("*",), "facts": {"defaultUser": 0, "programs": ["vector"], "writablePaths": [{"path": "/var/lib/vector", "seed": "data"}]}, "unsure": ()}',
    '{"id": "voting-app-vote", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["gunicorn"], "writablePaths": ["/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "voting-app-result", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "anyUid": True, "programs": ["node", "nodemon"], "writablePaths": [], "ports": [80]}, "unsure": ()}',
    '{"id": "windows-bases", "tags": ("*",), "facts": {"cannotRestrict": {"code": "windows", "reason": "users, capabilities, seccomp and a read-only root are settings of Linux"}}, "unsure": ()}',
    '{"id": "wordpress-by-digest", "tags": ("",), "facts": {"defaultUser": 0, "anyUid": True, "programs": ["apache2-foreground", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "copy", "owned": True, "from": "/usr/src/wordpress"}, "/tmp"]}, "unsure": ()}',
    '{"id": "wordpress-cli", "tags": ("cli*",), "facts": {"dependsOnCommand": True}, "unsure": ("dependsOnCommand",)}',
    '{"id": "wordpress-fpm-alpine", "tags": ("*fpm-alpine*",), "facts": {"defaultUser": 0, "uid": 82, "gid": 82, "anyUid": True, "programs": ["php-fpm", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "copy", "owned": True, "from": "/usr/src/wordpress"}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "wordpress-fpm", "tags": ("*fpm*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["php-fpm", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "copy", "owned": True, "from": "/usr/src/wordpress"}, "/tmp"], "ports": [9000]}, "unsure": ()}',
    '{"id": "wordpress", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 33, "gid": 33, "anyUid": True, "programs": ["apache2-foreground", "docker-entrypoint.sh"], "writablePaths": [{"path": "/var/www/html", "seed": "copy", "owned": True, "from": "/usr/src/wordpress"}, "/var/run/apache2", {"path": "/var/lock/apache2", "seed": "empty", "optional": True}, "/tmp"], "ports": [80]}, "unsure": ()}',
    '{"id": "zookeeper", "tags": ("*",), "facts": {"defaultUser": 0, "uid": 1000, "gid": 1000, "programs": ["zkServer.sh", "docker-entrypoint.sh"], "writablePaths": [{"path": "/conf", "seed": "copy", "owned": True}, {"path": "/data", "seed": "data"}, {"path": "/datalog", "seed": "data"}, "/logs", "/tmp"], "ports": [2181, 2888, 3888, 8080]}, "unsure": ()}',
)
NAMES = """
container-registry.oracle.com/mysql/community-server 198
cr.fluentbit.io/fluent/fluent-bit 133
cr.jaegertracing.io/jaegertracing/jaeger 164
cr.l5d.io/linkerd/cni-plugin 183
cr.l5d.io/linkerd/controller 180
cr.l5d.io/linkerd/metrics-api 182
cr.l5d.io/linkerd/policy-controller 180
cr.l5d.io/linkerd/proxy 181
cr.l5d.io/linkerd/tap 182
cr.l5d.io/linkerd/web 182
docker.elastic.co/elasticsearch/elasticsearch 123
docker.elastic.co/kibana/kibana 124
docker.elastic.co/logstash/logstash 125
docker.io/antrea/antrea-agent-ubuntu 207
docker.io/antrea/antrea-windows 207
docker.io/apache/kafka 166
docker.io/apache/solr 268
docker.io/bitnami/airflow 14
docker.io/bitnami/apache 15
docker.io/bitnami/apisix 16
docker.io/bitnami/apisix-ingress-controller 17
docker.io/bitnami/appsmith 18
docker.io/bitnami/argo-cd 19
docker.io/bitnami/aspnet-core 20
docker.io/bitnami/cadvisor 7
docker.io/bitnami/cassandra 21
docker.io/bitnami/cilium 8
docker.io/bitnami/clickhouse 22
docker.io/bitnami/clickhouse-keeper 23
docker.io/bitnami/clickhouse-operator 24
docker.io/bitnami/concourse 25
docker.io/bitnami/consul 26
docker.io/bitnami/deepspeed 27
docker.io/bitnami/discourse 9
docker.io/bitnami/dremio 28
docker.io/bitnami/drupal 29
docker.io/bitnami/ejbca 30
docker.io/bitnami/elasticsearch 31
docker.io/bitnami/etcd 32
docker.io/bitnami/external-dns 33
docker.io/bitnami/flink 34
docker.io/bitnami/fluent-bit 35
docker.io/bitnami/fluentd 36
docker.io/bitnami/ghost 37
docker.io/bitnami/gitea 38
docker.io/bitnami/gitlab-runner 39
docker.io/bitnami/grafana 40
docker.io/bitnami/grafana-alloy 41
docker.io/bitnami/grafana-loki 42
docker.io/bitnami/grafana-mimir 43
docker.io/bitnami/grafana-operator 44
docker.io/bitnami/grafana-tempo 45
docker.io/bitnami/haproxy 46
docker.io/bitnami/influxdb 47
docker.io/bitnami/janusgraph 48
docker.io/bitnami/jenkins 49
docker.io/bitnami/jupyterhub 50
docker.io/bitnami/keycloak 51
docker.io/bitnami/keydb 52
docker.io/bitnami/kibana 53
docker.io/bitnami/kong 54
docker.io/bitnami/kube-state-metrics 55
docker.io/bitnami/logstash 56
docker.io/bitnami/mariadb 57
docker.io/bitnami/mariadb-galera 58
docker.io/bitnami/mastodon 59
docker.io/bitnami/memcached 60
docker.io/bitnami/metallb-speaker 10
docker.io/bitnami/metrics-server 61
docker.io/bitnami/milvus 62
docker.io/bitnami/minio 63
docker.io/bitnami/minio-operator 64
docker.io/bitnami/mongodb 65
docker.io/bitnami/mongodb-sharded 66
docker.io/bitnami/multus-cni 11
docker.io/bitnami/mysql 67
docker.io/bitnami/nats 68
docker.io/bitnami/neo4j 69
docker.io/bitnami/nessie 70
docker.io/bitnami/nginx 71
docker.io/bitnami/nginx-ingress-controller 72
docker.io/bitnami/node-exporter 73
docker.io/bitnami/oauth2-proxy 74
docker.io/bitnami/odoo 12
docker.io/bitnami/opensearch 75
docker.io/bitnami/opensearch-dashboards 76
docker.io/bitnami/parse 77
docker.io/bitnami/parse-dashboard 78
docker.io/bitnami/pgpool 79
docker.io/bitnami/phpmyadmin 80
docker.io/bitnami/pinniped 81
docker.io/bitnami/postgresql 82
docker.io/bitnami/postgresql-repmgr 83
docker.io/bitnami/prometheus 84
docker.io/bitnami/pytorch 85
docker.io/bitnami/rabbitmq 86
docker.io/bitnami/redis 87
docker.io/bitnami/redis-cluster 88
docker.io/bitnami/schema-registry 89
docker.io/bitnami/scylladb 90
docker.io/bitnami/sealed-secrets-controller 263
docker.io/bitnami/seaweedfs 91
docker.io/bitnami/solr 92
docker.io/bitnami/sonarqube 93
docker.io/bitnami/spark 94
docker.io/bitnami/tensorflow-resnet 95
docker.io/bitnami/tensorflow-serving 96
docker.io/bitnami/tomcat 97
docker.io/bitnami/valkey 98
docker.io/bitnami/valkey-cluster 99
docker.io/bitnami/whereabouts 13
docker.io/bitnami/wildfly 100
docker.io/bitnami/wordpress 101
docker.io/bitnami/zipkin 102
docker.io/bitnami/zookeeper 103
docker.io/bitnamilegacy/airflow 14
docker.io/bitnamilegacy/apache 15
docker.io/bitnamilegacy/apisix 16
docker.io/bitnamilegacy/apisix-ingress-controller 17
docker.io/bitnamilegacy/appsmith 18
docker.io/bitnamilegacy/argo-cd 19
docker.io/bitnamilegacy/aspnet-core 20
docker.io/bitnamilegacy/cadvisor 7
docker.io/bitnamilegacy/cassandra 21
docker.io/bitnamilegacy/cilium 8
docker.io/bitnamilegacy/clickhouse 22
docker.io/bitnamilegacy/clickhouse-keeper 23
docker.io/bitnamilegacy/clickhouse-operator 24
docker.io/bitnamilegacy/concourse 25
docker.io/bitnamilegacy/consul 26
docker.io/bitnamilegacy/deepspeed 27
docker.io/bitnamilegacy/discourse 9
docker.io/bitnamilegacy/dremio 28
docker.io/bitnamilegacy/drupal 29
docker.io/bitnamilegacy/ejbca 30
docker.io/bitnamilegacy/elasticsearch 31
docker.io/bitnamilegacy/etcd 32
docker.io/bitnamilegacy/external-dns 33
docker.io/bitnamilegacy/flink 34
docker.io/bitnamilegacy/fluent-bit 35
docker.io/bitnamilegacy/fluentd 36
docker.io/bitnamilegacy/ghost 37
docker.io/bitnamilegacy/gitea 38
docker.io/bitnamilegacy/gitlab-runner 39
docker.io/bitnamilegacy/grafana 40
docker.io/bitnamilegacy/grafana-alloy 41
docker.io/bitnamilegacy/grafana-loki 42
docker.io/bitnamilegacy/grafana-mimir 43
docker.io/bitnamilegacy/grafana-operator 44
docker.io/bitnamilegacy/grafana-tempo 45
docker.io/bitnamilegacy/haproxy 46
docker.io/bitnamilegacy/influxdb 47
docker.io/bitnamilegacy/janusgraph 48
docker.io/bitnamilegacy/jenkins 49
docker.io/bitnamilegacy/jupyterhub 50
docker.io/bitnamilegacy/keycloak 51
docker.io/bitnamilegacy/keydb 52
docker.io/bitnamilegacy/kibana 53
docker.io/bitnamilegacy/kong 54
docker.io/bitnamilegacy/kube-state-metrics 55
docker.io/bitnamilegacy/logstash 56
docker.io/bitnamilegacy/mariadb 57
docker.io/bitnamilegacy/mariadb-galera 58
docker.io/bitnamilegacy/mastodon 59
docker.io/bitnamilegacy/memcached 60
docker.io/bitnamilegacy/metallb-speaker 10
docker.io/bitnamilegacy/metrics-server 61
docker.io/bitnamilegacy/milvus 62
docker.io/bitnamilegacy/minio 63
docker.io/bitnamilegacy/minio-operator 64
docker.io/bitnamilegacy/mongodb 65
docker.io/bitnamilegacy/mongodb-sharded 66
docker.io/bitnamilegacy/multus-cni 11
docker.io/bitnamilegacy/mysql 67
docker.io/bitnamilegacy/nats 68
docker.io/bitnamilegacy/neo4j 69
docker.io/bitnamilegacy/nessie 70
docker.io/bitnamilegacy/nginx 71
docker.io/bitnamilegacy/nginx-ingress-controller 72
docker.io/bitnamilegacy/node-exporter 73
docker.io/bitnamilegacy/oauth2-proxy 74
docker.io/bitnamilegacy/odoo 12
docker.io/bitnamilegacy/opensearch 75
docker.io/bitnamilegacy/opensearch-dashboards 76
docker.io/bitnamilegacy/parse 77
docker.io/bitnamilegacy/parse-dashboard 78
docker.io/bitnamilegacy/pgpool 79
docker.io/bitnamilegacy/phpmyadmin 80
docker.io/bitnamilegacy/pinniped 81
docker.io/bitnamilegacy/postgresql 82
docker.io/bitnamilegacy/postgresql-repmgr 83
docker.io/bitnamilegacy/prometheus 84
docker.io/bitnamilegacy/pytorch 85
docker.io/bitnamilegacy/rabbitmq 86
docker.io/bitnamilegacy/redis 87
docker.io/bitnamilegacy/redis-cluster 88
docker.io/bitnamilegacy/schema-registry 89
docker.io/bitnamilegacy/scylladb 90
docker.io/bitnamilegacy/seaweedfs 91
docker.io/bitnamilegacy/solr 92
docker.io/bitnamilegacy/sonarqube 93
docker.io/bitnamilegacy/spark 94
docker.io/bitnamilegacy/tensorflow-resnet 95
docker.io/bitnamilegacy/tensorflow-serving 96
docker.io/bitnamilegacy/tomcat 97
docker.io/bitnamilegacy/valkey 98
docker.io/bitnamilegacy/valkey-cluster 99
docker.io/bitnamilegacy/whereabouts 13
docker.io/bitnamilegacy/wildfly 100
docker.io/bitnamilegacy/wordpress 101
docker.io/bitnamilegacy/zipkin 102
docker.io/bitnamilegacy/zookeeper 103
docker.io/bitnamisecure/airflow 14
docker.io/bitnamisecure/apache 15
docker.io/bitnamisecure/apisix 16
docker.io/bitnamisecure/apisix-ingress-controller 17
docker.io/bitnamisecure/appsmith 18
docker.io/bitnamisecure/argo-cd 19
docker.io/bitnamisecure/aspnet-core 20
docker.io/bitnamisecure/cadvisor 7
docker.io/bitnamisecure/cassandra 21
docker.io/bitnamisecure/cilium 8
docker.io/bitnamisecure/clickhouse 22
docker.io/bitnamisecure/clickhouse-keeper 23
docker.io/bitnamisecure/clickhouse-operator 24
docker.io/bitnamisecure/concourse 25
docker.io/bitnamisecure/consul 26
docker.io/bitnamisecure/deepspeed 27
docker.io/bitnamisecure/discourse 9
docker.io/bitnamisecure/dremio 28
docker.io/bitnamisecure/drupal 29
docker.io/bitnamisecure/ejbca 30
docker.io/bitnamisecure/elasticsearch 31
docker.io/bitnamisecure/etcd 32
docker.io/bitnamisecure/external-dns 33
docker.io/bitnamisecure/flink 34
docker.io/bitnamisecure/fluent-bit 35
docker.io/bitnamisecure/fluentd 36
docker.io/bitnamisecure/ghost 37
docker.io/bitnamisecure/gitea 38
docker.io/bitnamisecure/gitlab-runner 39
docker.io/bitnamisecure/grafana 40
docker.io/bitnamisecure/grafana-alloy 41
docker.io/bitnamisecure/grafana-loki 42
docker.io/bitnamisecure/grafana-mimir 43
docker.io/bitnamisecure/grafana-operator 44
docker.io/bitnamisecure/grafana-tempo 45
docker.io/bitnamisecure/haproxy 46
docker.io/bitnamisecure/influxdb 47
docker.io/bitnamisecure/janusgraph 48
docker.io/bitnamisecure/jenkins 49
docker.io/bitnamisecure/jupyterhub 50
docker.io/bitnamisecure/keycloak 51
docker.io/bitnamisecure/keydb 52
docker.io/bitnamisecure/kibana 53
docker.io/bitnamisecure/kong 54
docker.io/bitnamisecure/kube-state-metrics 55
docker.io/bitnamisecure/logstash 56
docker.io/bitnamisecure/mariadb 57
docker.io/bitnamisecure/mariadb-galera 58
docker.io/bitnamisecure/mastodon 59
docker.io/bitnamisecure/memcached 60
docker.io/bitnamisecure/metallb-speaker 10
docker.io/bitnamisecure/metrics-server 61
docker.io/bitnamisecure/milvus 62
docker.io/bitnamisecure/minio 63
docker.io/bitnamisecure/minio-operator 64
docker.io/bitnamisecure/mongodb 65
docker.io/bitnamisecure/mongodb-sharded 66
docker.io/bitnamisecure/multus-cni 11
docker.io/bitnamisecure/mysql 67
docker.io/bitnamisecure/nats 68
docker.io/bitnamisecure/neo4j 69
docker.io/bitnamisecure/nessie 70
docker.io/bitnamisecure/nginx 71
docker.io/bitnamisecure/nginx-ingress-controller 72
docker.io/bitnamisecure/node-exporter 73
docker.io/bitnamisecure/oauth2-proxy 74
docker.io/bitnamisecure/odoo 12
docker.io/bitnamisecure/opensearch 75
docker.io/bitnamisecure/opensearch-dashboards 76
docker.io/bitnamisecure/parse 77
docker.io/bitnamisecure/parse-dashboard 78
docker.io/bitnamisecure/pgpool 79
docker.io/bitnamisecure/phpmyadmin 80
docker.io/bitnamisecure/pinniped 81
docker.io/bitnamisecure/postgresql 82
docker.io/bitnamisecure/postgresql-repmgr 83
docker.io/bitnamisecure/prometheus 84
docker.io/bitnamisecure/pytorch 85
docker.io/bitnamisecure/rabbitmq 86
docker.io/bitnamisecure/redis 87
docker.io/bitnamisecure/redis-cluster 88
docker.io/bitnamisecure/schema-registry 89
docker.io/bitnamisecure/scylladb 90
docker.io/bitnamisecure/seaweedfs 91
docker.io/bitnamisecure/solr 92
docker.io/bitnamisecure/sonarqube 93
docker.io/bitnamisecure/spark 94
docker.io/bitnamisecure/tensorflow-resnet 95
docker.io/bitnamisecure/tensorflow-serving 96
docker.io/bitnamisecure/tomcat 97
docker.io/bitnamisecure/valkey 98
docker.io/bitnamisecure/valkey-cluster 99
docker.io/bitnamisecure/whereabouts 13
docker.io/bitnamisecure/wildfly 100
docker.io/bitnamisecure/wordpress 101
docker.io/bitnamisecure/zipkin 102
docker.io/bitnamisecure/zookeeper 103
docker.io/clickhouse/clickhouse-server 110
docker.io/cloudflare/cloudflared 111
docker.io/containous/whoami 274
docker.io/coredns/coredns 112 113
docker.io/crossplane/crossplane 114
docker.io/curlimages/curl 115
docker.io/dexidp/dex 116
docker.io/dockersamples/examplevotingapp_result 280
docker.io/dockersamples/examplevotingapp_vote 279
docker.io/envoyproxy/envoy 126 127
docker.io/fluent/fluent-bit 133
docker.io/fluent/fluentd 134
docker.io/fluxcd/kustomize-controller 136
docker.io/gitea/gitea 139 140 141
docker.io/grafana/grafana 145
docker.io/grafana/grafana-enterprise 145
docker.io/grafana/grafana-oss 145
docker.io/grafana/loki 146
docker.io/grafana/promtail 147
docker.io/grafana/tempo 148
docker.io/hashicorp/consul 152
docker.io/hashicorp/vault 151
docker.io/istio/pilot 159
docker.io/istio/proxyv2 160
docker.io/istio/ztunnel 161
docker.io/jaegertracing/all-in-one 164
docker.io/jaegertracing/jaeger 164
docker.io/jenkins/jenkins 165
docker.io/jimmidyson/configmap-reload 252
docker.io/kubernetes/pause 179
docker.io/kubernetesui/dashboard 174
docker.io/kubernetesui/dashboard-api 174
docker.io/kubernetesui/dashboard-auth 174
docker.io/kubernetesui/dashboard-metrics-scraper 174
docker.io/kubernetesui/dashboard-web 174
docker.io/library/adminer 0 1
docker.io/library/alpine 185
docker.io/library/bash 187
docker.io/library/busybox 184
docker.io/library/caddy 105
docker.io/library/cassandra 106
docker.io/library/clickhouse 110
docker.io/library/consul 152
docker.io/library/debian 186
docker.io/library/eclipse-mosquitto 197
docker.io/library/eclipse-temurin 122
docker.io/library/elasticsearch 123
docker.io/library/ghost 138
docker.io/library/golang 142
docker.io/library/haproxy 149 150
docker.io/library/httpd 153 154 155
docker.io/library/influxdb 156
docker.io/library/kibana 124
docker.io/library/logstash 125
docker.io/library/mariadb 189 190
docker.io/library/memcached 191
docker.io/library/mongo 196
docker.io/library/mongo-express 195
docker.io/library/mysql 198
docker.io/library/nats 199
docker.io/library/neo4j 200
docker.io/library/nextcloud 201 202 203 204
docker.io/library/nginx 205
docker.io/library/node 208
docker.io/library/perl 187
docker.io/library/php 222 223 224 225
docker.io/library/phpmyadmin 226 227 228
docker.io/library/postgres 239 240 241 242 243
docker.io/library/python 253
docker.io/library/rabbitmq 254 255 256
docker.io/library/redis 257 258 259
docker.io/library/registry 262
docker.io/library/ruby 187
docker.io/library/solr 268
docker.io/library/sonarqube 269
docker.io/library/tomcat 272
docker.io/library/traefik 273
docker.io/library/ubuntu 186
docker.io/library/varnish 277
docker.io/library/vault 151
docker.io/library/wordpress 282 283 284 285 286
docker.io/library/zookeeper 287
docker.io/longhornio/longhorn-manager 207
docker.io/minio/minio 194
docker.io/natsio/nats-server 199
docker.io/nginx/nginx-prometheus-exporter 131
docker.io/nginxinc/nginx-unprivileged 206
docker.io/oliver006/redis_exporter 260 261
docker.io/openpolicyagent/gatekeeper 137
docker.io/otel/opentelemetry-collector 221
docker.io/otel/opentelemetry-collector-contrib 221
docker.io/otel/opentelemetry-collector-k8s 221
docker.io/pgvector/pgvector 236 237
docker.io/phpmyadmin/phpmyadmin 226 227 228
docker.io/postgis/postgis 230 231 232 233
docker.io/prom/alertmanager 246
docker.io/prom/blackbox-exporter 248
docker.io/prom/mysqld-exporter 130
docker.io/prom/node-exporter 247
docker.io/prom/prometheus 244 245
docker.io/prom/pushgateway 249
docker.io/prometheuscommunity/postgres-exporter 129
docker.io/rook/ceph 207
docker.io/stefanprodan/podinfo 229
docker.io/timberio/vector 278
docker.io/timescale/timescaledb 234 235
docker.io/traefik/traefik 273
docker.io/traefik/whoami 274
docker.io/valkey/valkey 275 276
docker.io/weaveworksdemos/carts 264
docker.io/weaveworksdemos/catalogue 265
docker.io/weaveworksdemos/front-end 267
docker.io/weaveworksdemos/orders 264
docker.io/weaveworksdemos/payment 266
docker.io/weaveworksdemos/queue-master 264
docker.io/weaveworksdemos/shipping 264
docker.io/weaveworksdemos/user 266
gcr.io/bank-of-anthos-ci/balancereader 5
gcr.io/bank-of-anthos-ci/contacts 5
gcr.io/bank-of-anthos-ci/frontend 5
gcr.io/bank-of-anthos-ci/ledgerwriter 5
gcr.io/bank-of-anthos-ci/loadgenerator 6
gcr.io/bank-of-anthos-ci/transactionhistory 5
gcr.io/bank-of-anthos-ci/userservice 5
gcr.io/cloud-sql-connectors/cloud-sql-proxy 144
gcr.io/cloudsql-docker/gce-proxy 144
gcr.io/etcd-development/etcd 128
gcr.io/google-containers/busybox 184
gcr.io/google-samples/hello-app 143
gcr.io/google-samples/microservices-demo/adservice 210
gcr.io/google-samples/microservices-demo/cartservice 211
gcr.io/google-samples/microservices-demo/checkoutservice 212
gcr.io/google-samples/microservices-demo/currencyservice 213
gcr.io/google-samples/microservices-demo/emailservice 214
gcr.io/google-samples/microservices-demo/frontend 215
gcr.io/google-samples/microservices-demo/loadgenerator 220
gcr.io/google-samples/microservices-demo/paymentservice 216
gcr.io/google-samples/microservices-demo/productcatalogservice 217
gcr.io/google-samples/microservices-demo/recommendationservice 218
gcr.io/google-samples/microservices-demo/shippingservice 219
gcr.io/istio-release/pilot 159
gcr.io/istio-release/proxyv2 160
gcr.io/istio-release/ztunnel 161
gcr.io/k8s-staging-metrics-server/metrics-server 172
gcr.io/kubebuilder/kube-rbac-proxy 171
ghcr.io/argoproj/argo-cd/argocd 2
ghcr.io/bitnami-labs/sealed-secrets-controller 263
ghcr.io/dexidp/dex 116
ghcr.io/external-secrets/external-secrets 132
ghcr.io/flannel-io/flannel 207
ghcr.io/flannel-io/flannel-cni-plugin 207
ghcr.io/fluent/fluent-bit 133
ghcr.io/fluxcd/helm-controller 136
ghcr.io/fluxcd/image-automation-controller 136
ghcr.io/fluxcd/image-reflector-controller 136
ghcr.io/fluxcd/kustomize-controller 136
ghcr.io/fluxcd/notification-controller 136
ghcr.io/fluxcd/source-controller 135
ghcr.io/jimmidyson/configmap-reload 252
ghcr.io/kedacore/keda 167
ghcr.io/kedacore/keda-admission-webhooks 167
ghcr.io/kedacore/keda-metrics-apiserver 167
ghcr.io/metacontroller/metacontroller 192
ghcr.io/nginx/nginx-unprivileged 206
ghcr.io/nginxinc/nginx-unprivileged 206
ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector 221
ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-contrib 221
ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s 221
ghcr.io/stefanprodan/podinfo 229
ghcr.io/traefik/traefik 273
ghcr.io/zalando/postgres-operator 238
mcr.microsoft.com/dotnet/aspnet 119 120 121
mcr.microsoft.com/dotnet/runtime 119 120 121
mcr.microsoft.com/dotnet/runtime-deps 119 120 121
mcr.microsoft.com/windows 281
mcr.microsoft.com/windows/nanoserver 281
mcr.microsoft.com/windows/servercore 281
nvcr.io/nvidia/k8s-device-plugin 207
oci.external-secrets.io/external-secrets/external-secrets 132
public.ecr.aws/bitnami/airflow 14
public.ecr.aws/bitnami/apache 15
public.ecr.aws/bitnami/apisix 16
public.ecr.aws/bitnami/apisix-ingress-controller 17
public.ecr.aws/bitnami/appsmith 18
public.ecr.aws/bitnami/argo-cd 19
public.ecr.aws/bitnami/aspnet-core 20
public.ecr.aws/bitnami/cadvisor 7
public.ecr.aws/bitnami/cassandra 21
public.ecr.aws/bitnami/cilium 8
public.ecr.aws/bitnami/clickhouse 22
public.ecr.aws/bitnami/clickhouse-keeper 23
public.ecr.aws/bitnami/clickhouse-operator 24
public.ecr.aws/bitnami/concourse 25
public.ecr.aws/bitnami/consul 26
public.ecr.aws/bitnami/deepspeed 27
public.ecr.aws/bitnami/discourse 9
public.ecr.aws/bitnami/dremio 28
public.ecr.aws/bitnami/drupal 29
public.ecr.aws/bitnami/ejbca 30
public.ecr.aws/bitnami/elasticsearch 31
public.ecr.aws/bitnami/etcd 32
public.ecr.aws/bitnami/external-dns 33
public.ecr.aws/bitnami/flink 34
public.ecr.aws/bitnami/fluent-bit 35
public.ecr.aws/bitnami/fluentd 36
public.ecr.aws/bitnami/ghost 37
public.ecr.aws/bitnami/gitea 38
public.ecr.aws/bitnami/gitlab-runner 39
public.ecr.aws/bitnami/grafana 40
public.ecr.aws/bitnami/grafana-alloy 41
public.ecr.aws/bitnami/grafana-loki 42
public.ecr.aws/bitnami/grafana-mimir 43
public.ecr.aws/bitnami/grafana-operator 44
public.ecr.aws/bitnami/grafana-tempo 45
public.ecr.aws/bitnami/haproxy 46
public.ecr.aws/bitnami/influxdb 47
public.ecr.aws/bitnami/janusgraph 48
public.ecr.aws/bitnami/jenkins 49
public.ecr.aws/bitnami/jupyterhub 50
public.ecr.aws/bitnami/keycloak 51
public.ecr.aws/bitnami/keydb 52
public.ecr.aws/bitnami/kibana 53
public.ecr.aws/bitnami/kong 54
public.ecr.aws/bitnami/kube-state-metrics 55
public.ecr.aws/bitnami/logstash 56
public.ecr.aws/bitnami/mariadb 57
public.ecr.aws/bitnami/mariadb-galera 58
public.ecr.aws/bitnami/mastodon 59
public.ecr.aws/bitnami/memcached 60
public.ecr.aws/bitnami/metallb-speaker 10
public.ecr.aws/bitnami/metrics-server 61
public.ecr.aws/bitnami/milvus 62
public.ecr.aws/bitnami/minio 63
public.ecr.aws/bitnami/minio-operator 64
public.ecr.aws/bitnami/mongodb 65
public.ecr.aws/bitnami/mongodb-sharded 66
public.ecr.aws/bitnami/multus-cni 11
public.ecr.aws/bitnami/mysql 67
public.ecr.aws/bitnami/nats 68
public.ecr.aws/bitnami/neo4j 69
public.ecr.aws/bitnami/nessie 70
public.ecr.aws/bitnami/nginx 71
public.ecr.aws/bitnami/nginx-ingress-controller 72
public.ecr.aws/bitnami/node-exporter 73
public.ecr.aws/bitnami/oauth2-proxy 74
public.ecr.aws/bitnami/odoo 12
public.ecr.aws/bitnami/opensearch 75
public.ecr.aws/bitnami/opensearch-dashboards 76
public.ecr.aws/bitnami/parse 77
public.ecr.aws/bitnami/parse-dashboard 78
public.ecr.aws/bitnami/pgpool 79
public.ecr.aws/bitnami/phpmyadmin 80
public.ecr.aws/bitnami/pinniped 81
public.ecr.aws/bitnami/postgresql 82
public.ecr.aws/bitnami/postgresql-repmgr 83
public.ecr.aws/bitnami/prometheus 84
public.ecr.aws/bitnami/pytorch 85
public.ecr.aws/bitnami/rabbitmq 86
public.ecr.aws/bitnami/redis 87
public.ecr.aws/bitnami/redis-cluster 88
public.ecr.aws/bitnami/schema-registry 89
public.ecr.aws/bitnami/scylladb 90
public.ecr.aws/bitnami/seaweedfs 91
public.ecr.aws/bitnami/solr 92
public.ecr.aws/bitnami/sonarqube 93
public.ecr.aws/bitnami/spark 94
public.ecr.aws/bitnami/tensorflow-resnet 95
public.ecr.aws/bitnami/tensorflow-serving 96
public.ecr.aws/bitnami/tomcat 97
public.ecr.aws/bitnami/valkey 98
public.ecr.aws/bitnami/valkey-cluster 99
public.ecr.aws/bitnami/whereabouts 13
public.ecr.aws/bitnami/wildfly 100
public.ecr.aws/bitnami/wordpress 101
public.ecr.aws/bitnami/zipkin 102
public.ecr.aws/bitnami/zookeeper 103
public.ecr.aws/nginx/nginx 205
public.ecr.aws/nginx/nginx-unprivileged 206
public.ecr.aws/valkey/valkey 275 276
quay.io/argoproj/argo-rollouts 3
quay.io/argoproj/argocd 2
quay.io/argoproj/argocli 4
quay.io/argoproj/workflow-controller 4
quay.io/brancz/kube-rbac-proxy 171
quay.io/calico/calico 207
quay.io/calico/cni 207
quay.io/calico/node 207
quay.io/calico/windows 207
quay.io/cilium/cilium 207
quay.io/cilium/hubble-ui 108
quay.io/cilium/hubble-ui-backend 109
quay.io/coreos/etcd 128
quay.io/coreos/flannel 207
quay.io/coreos/kube-state-metrics 170
quay.io/curl/curl 115
quay.io/dexidp/dex 116
quay.io/frrouting/frr 207
quay.io/grafana/grafana 145
quay.io/jetstack/cert-manager-acmesolver 107
quay.io/jetstack/cert-manager-cainjector 107
quay.io/jetstack/cert-manager-controller 107
quay.io/jetstack/cert-manager-ctl 107
quay.io/jetstack/cert-manager-startupapicheck 107
quay.io/jetstack/cert-manager-webhook 107
quay.io/keycloak/keycloak 168
quay.io/mariadb-foundation/mariadb-devel 189 190
quay.io/metallb/controller 193
quay.io/metallb/frr-k8s 207
quay.io/metallb/speaker 207
quay.io/minio/minio 194
quay.io/nginx/nginx-unprivileged 206
quay.io/oauth2-proxy/oauth2-proxy 209
quay.io/oliver006/redis_exporter 260 261
quay.io/prometheus-operator/prometheus-config-reloader 250
quay.io/prometheus-operator/prometheus-operator 250
quay.io/prometheus/alertmanager 246
quay.io/prometheus/blackbox-exporter 248
quay.io/prometheus/mysqld-exporter 130
quay.io/prometheus/node-exporter 247
quay.io/prometheus/prometheus 244 245
quay.io/prometheus/pushgateway 249
quay.io/prometheuscommunity/postgres-exporter 129
quay.io/strimzi/operator 270
quay.io/tigera/operator 207
registry.istio.io/release/pilot 159
registry.istio.io/release/proxyv2 160
registry.istio.io/release/ztunnel 161
registry.istio.io/testing/pilot 159
registry.istio.io/testing/proxyv2 160
registry.istio.io/testing/ztunnel 161
registry.k8s.io/autoscaling/addon-resizer 178
registry.k8s.io/autoscaling/cluster-autoscaler 173
registry.k8s.io/busybox 184
registry.k8s.io/coredns/coredns 112 113
registry.k8s.io/etcd 128
registry.k8s.io/external-dns/external-dns 175
registry.k8s.io/ingress-nginx/controller 157
registry.k8s.io/ingress-nginx/kube-webhook-certgen 158
registry.k8s.io/kube-apiserver 177
registry.k8s.io/kube-controller-manager 177
registry.k8s.io/kube-proxy 177
registry.k8s.io/kube-scheduler 177
registry.k8s.io/kube-state-metrics/kube-state-metrics 170
registry.k8s.io/kubebuilder/kube-rbac-proxy 171
registry.k8s.io/metrics-server/metrics-server 172
registry.k8s.io/nfd/node-feature-discovery 207
registry.k8s.io/pause 179
registry.k8s.io/prometheus-adapter/prometheus-adapter 251
registry.k8s.io/redis 257 258 259
registry.k8s.io/sig-storage/csi-attacher 176
registry.k8s.io/sig-storage/csi-node-driver-registrar 176
registry.k8s.io/sig-storage/csi-provisioner 176
registry.k8s.io/sig-storage/csi-resizer 176
registry.k8s.io/sig-storage/csi-snapshotter 176
registry.k8s.io/sig-storage/livenessprobe 176
registry.k8s.io/sig-storage/smbplugin 207
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/balancereader 5
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/contacts 5
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/frontend 5
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/ledgerwriter 5
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/loadgenerator 6
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/transactionhistory 5
us-central1-docker.pkg.dev/bank-of-anthos-ci/bank-of-anthos/userservice 5
us-central1-docker.pkg.dev/google-samples/microservices-demo/adservice 210
us-central1-docker.pkg.dev/google-samples/microservices-demo/cartservice 211
us-central1-docker.pkg.dev/google-samples/microservices-demo/checkoutservice 212
us-central1-docker.pkg.dev/google-samples/microservices-demo/currencyservice 213
us-central1-docker.pkg.dev/google-samples/microservices-demo/emailservice 214
us-central1-docker.pkg.dev/google-samples/microservices-demo/frontend 215
us-central1-docker.pkg.dev/google-samples/microservices-demo/loadgenerator 220
us-central1-docker.pkg.dev/google-samples/microservices-demo/paymentservice 216
us-central1-docker.pkg.dev/google-samples/microservices-demo/productcatalogservice 217
us-central1-docker.pkg.dev/google-samples/microservices-demo/recommendationservice 218
us-central1-docker.pkg.dev/google-samples/microservices-demo/shippingservice 219
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/adservice 210
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/cartservice 211
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/checkoutservice 212
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/currencyservice 213
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/emailservice 214
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/frontend 215
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/loadgenerator 220
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/paymentservice 216
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/productcatalogservice 217
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/recommendationservice 218
us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/shippingservice 219
us-docker.pkg.dev/google-samples/containers/gke/hello-app 143
xpkg.crossplane.io/crossplane/crossplane 114
xpkg.upbound.io/crossplane/crossplane 114
"""
PATTERNS = (
    ("gcr.io/tekton-releases/github.com/tektoncd/pipeline/cmd/*", (271,)),
    ("registry.istio.io/release/examples-bookinfo-productpage-*", (163,)),
    ("registry.istio.io/release/examples-bookinfo-details-*", (163,)),
    ("registry.istio.io/release/examples-bookinfo-ratings-*", (163,)),
    ("registry.istio.io/release/examples-bookinfo-reviews-*", (162,)),
    ("gcr.io/knative-releases/knative.dev/eventing/cmd/*", (169,)),
    ("gcr.io/knative-releases/knative.dev/serving/cmd/*", (169,)),
    ("docker.io/istio/examples-bookinfo-productpage-*", (163,)),
    ("docker.io/istio/examples-bookinfo-details-*", (163,)),
    ("docker.io/istio/examples-bookinfo-ratings-*", (163,)),
    ("docker.io/istio/examples-bookinfo-reviews-*", (162,)),
    ("gcr.io/knative-releases/knative.dev/net-*", (169,)),
    ("gcr.io/knative-releases/knative.dev/pkg/*", (169,)),
    ("mcr.microsoft.com/oss/kubernetes-csi/*", (207,)),
    ("gcr.io/knative-nightly/knative.dev/*", (169,)),
    ("mcr.microsoft.com/dotnet/framework/*", (281,)),
    ("ghcr.io/tektoncd/pipeline/*", (271,)),
    ("mcr.microsoft.com/k8s/csi/*", (207,)),
    ("docker.io/bitnamilegacy/*", (104,)),
    ("docker.io/bitnamisecure/*", (104,)),
    ("public.ecr.aws/bitnami/*", (104,)),
    ("docker.io/linuxserver/*", (188,)),
    ("ghcr.io/linuxserver/*", (188,)),
    ("lscr.io/linuxserver/*", (188,)),
    ("docker.io/bitnami/*", (104,)),
    ("gcr.io/distroless/*", (117, 118)),
)
