//! Mistakes that are planted into good manifests, to see whether anybody notices.

use anyhow::{Context, Result, ensure};

use super::validators::Eye::{self, ApiServer, Rules, Scanner, Schemas, Yaml};
use super::variants::Variant;

/// The variants that mistakes are planted in: between them they have every component.
const INGRESS: &str = "production+ingress+redis+smtp+service-monitor+prometheus-rule+traces";
const GATEWAY: &str = "production+gateway+redis+smtp+service-monitor+prometheus-rule+traces";
const LOCAL: &str = "local";
/// Overlays that the guides show.
const ON_TOP: &str = "production-acme";
const PRIVATE: &str = "production-private-clients";
const NAME_SERVERS: &str = "production-name-servers";

/// A mistake: what is replaced by what, and who has to notice. Others may as well.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    variant: &'static str,
    from: &'static str,
    to: &'static str,
    pub(crate) noticed_by: &'static [Eye],
}

const fn fault(
    name: &'static str,
    from: &'static str,
    to: &'static str,
    noticed_by: &'static [Eye],
) -> Fault {
    Fault {
        name,
        variant: INGRESS,
        from,
        to,
        noticed_by,
    }
}

impl Fault {
    const fn of(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }

    /// The variant with the mistake in it, under a name of its own.
    pub(crate) fn plant(&self, variants: &[Variant]) -> Result<Variant> {
        let variant = variants.iter().find(|one| one.name == self.variant);
        let good = &variant.context("the variant is not rendered")?.text;
        ensure!(
            good.contains(self.from),
            "{}: {:?} is no longer in {}",
            self.name,
            self.from,
            self.variant
        );
        let kind = if self.variant == LOCAL {
            LOCAL
        } else {
            "production"
        };
        Ok(Variant {
            name: format!("{kind}-{}", self.name.replace(' ', "-")),
            text: good.replacen(self.from, self.to, 1),
        })
    }
}

pub(crate) const FAULTS: &[Fault] = &[
    fault(
        "misspelt field",
        "minReadySeconds:",
        "minReadySecond:",
        &[Schemas, ApiServer],
    ),
    fault(
        "number as text",
        "revisionHistoryLimit: 5",
        "revisionHistoryLimit: \"5\"",
        &[Schemas, ApiServer],
    ),
    fault(
        "unknown kind",
        "kind: Ingress\n",
        "kind: Ingrezz\n",
        &[Schemas, ApiServer],
    ),
    fault(
        "version that is gone",
        "apiVersion: policy/v1\n",
        "apiVersion: policy/v1beta1\n",
        &[Schemas, ApiServer],
    ),
    fault(
        "duplicate key",
        "  minReadySeconds: 5\n",
        "  minReadySeconds: 5\n  minReadySeconds: 6\n",
        &[Yaml, ApiServer],
    ),
    fault(
        "bad quantity",
        "cpu: 250m",
        "cpu: 250q",
        &[ApiServer, Rules],
    ),
    fault(
        "request above limit",
        "memory: 128Mi",
        "memory: 1Gi",
        &[ApiServer, Rules],
    ),
    fault(
        "no memory limit",
        "            cpu: \"2\"\n            memory: 512Mi\n",
        "            cpu: \"2\"\n",
        &[Scanner, Rules],
    ),
    fault(
        "deployment selects other pods",
        "    matchLabels:\n      app.kubernetes.io/component: server",
        "    matchLabels:\n      app.kubernetes.io/component: serving",
        &[ApiServer],
    ),
    fault(
        "service selects no pods",
        "  selector:\n    app.kubernetes.io/component: server",
        "  selector:\n    app.kubernetes.io/component: serving",
        &[Rules],
    ),
    fault(
        "port out of range",
        "containerPort: 8080",
        "containerPort: 80800",
        &[ApiServer, Rules],
    ),
    fault(
        "probe at an unknown port",
        "port: management\n          periodSeconds: 10",
        "port: managment\n          periodSeconds: 10",
        &[Rules],
    ),
    fault(
        "liveness asks the stores",
        "path: /livez",
        "path: /readyz",
        &[Rules],
    ),
    fault(
        "two handlers in a probe",
        "            port: management\n          periodSeconds: 10",
        "            port: management\n          tcpSocket:\n            port: management\n          periodSeconds: 10",
        &[ApiServer, Rules],
    ),
    fault(
        "misspelt policy",
        "imagePullPolicy: Always",
        "imagePullPolicy: Allways",
        &[ApiServer, Rules],
    ),
    fault(
        "invalid name",
        "  name: tokenhouse-management\n",
        "  name: Tokenhouse_Management\n",
        &[ApiServer, Rules],
    ),
    fault(
        "container without image",
        "        image: registry.example.com/tokenhouse@sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
        "",
        &[ApiServer, Rules],
    ),
    fault(
        "image by a tag",
        "tokenhouse@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "tokenhouse:latest",
        &[Scanner, Rules],
    ),
    fault(
        "mount of no volume",
        "          name: keys\n",
        "          name: key\n",
        &[ApiServer, Rules],
    ),
    fault(
        "secret of nobody",
        "secretName: tokenhouse-keys",
        "secretName: tokenhouse-key",
        &[Rules],
    ),
    fault(
        "missing settings",
        "- configMapRef:\n            name: tokenhouse-settings",
        "- configMapRef:\n            name: tokenhouse-setting",
        &[Rules],
    ),
    fault(
        "unknown setting",
        "TOKENHOUSE_LOG_FORMAT:",
        "TOKENHOUSE_LOGFORMAT:",
        &[Rules],
    ),
    fault(
        "secret in the environment",
        "- name: TOKENHOUSE_MASTER_KEY_FILE",
        "- name: TOKENHOUSE_MASTER_KEY",
        &[Rules],
    ),
    fault(
        "secret file elsewhere",
        "value: /etc/tokenhouse/keys/master-key",
        "value: /etc/tokenhouse/key/master-key",
        &[Rules],
    ),
    fault(
        "key that the secret lacks",
        "value: /etc/tokenhouse/keys/master-key",
        "value: /etc/tokenhouse/keys/master",
        &[Rules],
    )
    .of(LOCAL),
    fault(
        "listener at another port",
        "TOKENHOUSE_MANAGEMENT_LISTEN: 0.0.0.0:9090",
        "TOKENHOUSE_MANAGEMENT_LISTEN: 0.0.0.0:9091",
        &[Rules],
    ),
    fault(
        "pods run as root",
        "runAsNonRoot: true",
        "runAsNonRoot: false",
        &[ApiServer, Rules],
    ),
    fault(
        "privileges may grow",
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        &[ApiServer, Scanner, Rules],
    ),
    fault(
        "root can be written",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        &[Scanner, Rules],
    ),
    fault(
        "account token mounted",
        "      automountServiceAccountToken: false",
        "      automountServiceAccountToken: true",
        &[Scanner, Rules],
    ),
    fault(
        "service links",
        "enableServiceLinks: false",
        "enableServiceLinks: true",
        &[Rules],
    ),
    fault(
        "namespace lets all pods in",
        "pod-security.kubernetes.io/enforce: restricted",
        "pod-security.kubernetes.io/enforce: baseline",
        &[ApiServer],
    ),
    fault(
        "killed while stopping",
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 20",
        &[Rules],
    ),
    fault(
        "no time for proxies",
        "              seconds: 5\n",
        "              seconds: 0\n",
        &[Rules],
    ),
    fault(
        "everybody may come in",
        "  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: ingress-nginx\n      podSelector:\n        matchLabels:\n          app.kubernetes.io/component: controller\n    ports:",
        "  - ports:",
        &[Rules],
    ),
    fault(
        "metrics for the proxy",
        "    - port: http\n      protocol: TCP\n  podSelector",
        "    - port: management\n      protocol: TCP\n  podSelector",
        &[Rules],
    ),
    fault(
        "no way to Redis",
        "    - port: 6379\n",
        "    - port: 6380\n",
        &[Rules],
    ),
    fault(
        "no way to the collector",
        "    - port: 4318\n",
        "    - port: 4317\n",
        &[Rules],
    ),
    fault(
        "traces to whoever is there",
        "    to:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: observability\n      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: opentelemetry-collector\n",
        "",
        &[Rules],
    ),
    fault(
        "collector at another port",
        "svc:4318",
        "svc:4319",
        &[Rules],
    ),
    fault(
        "no way to private clients",
        "        cidr: 10.20.0.0/16\n",
        "        cidr: 10.21.0.0/16\n",
        &[Rules],
    )
    .of(PRIVATE),
    fault(
        "no way to the name servers",
        "        cidr: 10.0.0.2/32\n",
        "        cidr: 10.0.0.4/32\n",
        &[Rules],
    )
    .of(NAME_SERVERS),
    fault(
        "name servers by UDP alone",
        "    - port: 5353\n      protocol: TCP\n",
        "",
        &[Rules],
    )
    .of(NAME_SERVERS),
    fault(
        "no way to DNS",
        "    - port: 53\n      protocol: UDP\n",
        "",
        &[Rules],
    ),
    fault(
        "credentials of the node in reach",
        "        - 169.254.0.0/16\n",
        "",
        &[Rules],
    ),
    fault(
        "nothing is denied",
        "  podSelector: {}\n",
        "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: tokenhouse\n",
        &[Rules],
    ),
    fault(
        "bad network",
        "        cidr: 10.0.0.0/8\n",
        "        cidr: 10.0.0.0/88\n",
        &[ApiServer],
    ),
    fault(
        "autoscaler of nothing",
        "    kind: Deployment\n    name: tokenhouse\n",
        "    kind: Deployment\n    name: tokenhose\n",
        &[Rules],
    ),
    fault(
        "replicas beside the autoscaler",
        "  minReadySeconds: 5\n",
        "  minReadySeconds: 5\n  replicas: 3\n",
        &[Rules],
    ),
    fault(
        "minimum above maximum",
        "  minReplicas: 3\n",
        "  minReplicas: 30\n",
        &[ApiServer],
    ),
    fault(
        "budget with two bounds",
        "  maxUnavailable: 1\n  selector",
        "  maxUnavailable: 1\n  minAvailable: 1\n  selector",
        &[ApiServer],
    ),
    fault(
        "route for another host",
        "  - host: id.example.com",
        "  - host: login.example.com",
        &[Rules],
    ),
    fault(
        "route for a host with its port",
        "  - host: login.acme.example",
        "  - host: login.acme.example:8443",
        &[ApiServer, Rules],
    )
    .of(ON_TOP),
    fault(
        "route for the overlay below",
        "  - host: login.acme.example",
        "  - host: id.example.com",
        &[Rules],
    )
    .of(ON_TOP),
    fault(
        "route to the management port",
        "            name: tokenhouse\n            port:\n              name: http",
        "            name: tokenhouse-management\n            port:\n              name: management",
        &[Rules],
    ),
    fault(
        "gateway with a misspelt mode",
        "mode: Terminate",
        "mode: Terminated",
        &[ApiServer],
    )
    .of(GATEWAY),
    fault(
        "route with an unknown field",
        "    sectionName: https",
        "    section: https",
        &[ApiServer, Rules],
    )
    .of(GATEWAY),
    fault(
        "monitor with a bad interval",
        "interval: 15s",
        "interval: 15 seconds",
        &[ApiServer],
    ),
    fault(
        "monitor of the public port",
        "  - interval: 15s\n    path: /metrics\n    port: management",
        "  - interval: 15s\n    path: /metrics\n    port: http",
        &[Rules],
    ),
    fault(
        "rule without an expression",
        "      expr: up{job=\"tokenhouse\"} == 0\n",
        "",
        &[ApiServer],
    ),
];
