//! The manifests of Kubernetes.

use std::process::Command;

use serde_json::Value;

use crate::files::{self, BEYOND_GRACE, grace, seconds};
use crate::yaml::{at, documents, texts};

/// All objects of all manifests.
fn objects() -> Vec<Value> {
    let names = files::names("kubernetes");
    let manifests = names.iter().filter(|name| *name != "kustomization.yaml");
    manifests.flat_map(|name| documents(&format!("docs/deploy/kubernetes/{name}"))).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    objects().into_iter().filter(|object| at(object, "/kind") == kind).collect()
}

fn name(object: &Value) -> &str {
    at(object, "/metadata/name").as_str().unwrap()
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

#[test]
fn pods_are_stopped_gracefully() {
    let deployments = of_kind("Deployment");
    assert_eq!(deployments.len(), 4);
    for deployment in &deployments {
        let command = texts(at(deployment, &format!("{CONTAINER}/command")));
        let grace = if command[1] == "work" { grace(&command) } else { seconds("1s") };
        let patience = at(deployment, "/spec/template/spec/terminationGracePeriodSeconds");
        let patience = seconds(&format!("{patience}s"));
        assert!(patience >= grace + BEYOND_GRACE, "{}: {patience:?}", name(deployment));
    }
}

#[test]
fn probes_ask_where_the_program_answers() {
    for deployment in &of_kind("Deployment") {
        let container = at(deployment, CONTAINER);
        let port = at(container, "/ports/0/containerPort");
        let variables = at(container, "/env").as_array().unwrap();
        let listen = variables.iter().find(|variable| at(variable, "/name") == "JOBQ_LISTEN");
        // From outside the pod: not on loopback.
        assert_eq!(at(listen.unwrap(), "/value").as_str().unwrap(), format!("0.0.0.0:{port}"));
        for (probe, path) in
            [("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/livez")]
        {
            let asked = at(container, &format!("/{probe}/httpGet"));
            assert_eq!(at(asked, "/path"), path, "{}: {probe}", name(deployment));
            assert_eq!(at(asked, "/port"), at(container, "/ports/0/name"));
        }
        let url = variables.iter().find(|variable| at(variable, "/name") == "REDIS_URL").unwrap();
        assert_eq!(url.get("value"), None, "the URL is no secret");
        assert_eq!(at(url, "/valueFrom/secretKeyRef/key"), "redis-url");
    }
}

#[test]
fn pods_may_do_little_and_take_little() {
    for deployment in &of_kind("Deployment") {
        let pod = at(deployment, "/spec/template/spec");
        assert_eq!(at(pod, "/securityContext/runAsNonRoot"), true);
        assert!(at(pod, "/securityContext/runAsUser").as_u64().unwrap() > 1_000);
        assert_eq!(at(pod, "/securityContext/seccompProfile/type"), "RuntimeDefault");
        assert_eq!(at(pod, "/automountServiceAccountToken"), false);
        let container = at(deployment, CONTAINER);
        let own = at(container, "/securityContext");
        assert_eq!(at(own, "/allowPrivilegeEscalation"), false);
        assert_eq!(at(own, "/readOnlyRootFilesystem"), true);
        assert_eq!(texts(at(own, "/capabilities/drop")), ["ALL"]);
        for place in ["/resources/requests/cpu", "/resources/requests/memory"] {
            at(container, place);
        }
        at(container, "/resources/limits/memory");
        let mounts = at(container, "/volumeMounts").as_array().unwrap();
        let volumes = at(pod, "/volumes").as_array().unwrap();
        for mount in mounts {
            let is_there = |volume: &Value| at(volume, "/name") == at(mount, "/name");
            assert!(volumes.iter().any(is_there), "{mount}");
        }
    }
}

#[test]
fn labels_select_what_they_should_and_budgets_protect_it() {
    let budgets = of_kind("PodDisruptionBudget");
    for deployment in &of_kind("Deployment") {
        let labels = at(deployment, "/spec/template/metadata/labels");
        let selector = at(deployment, "/spec/selector/matchLabels");
        assert_eq!(selector, labels, "{}", name(deployment));
        let protects = |budget: &&Value| at(budget, "/spec/selector/matchLabels") == labels;
        assert_eq!(budgets.iter().filter(protects).count(), 1, "{}", name(deployment));
    }
    let schedulers = of_kind("Deployment").into_iter().find(|it| name(it) == "jobq-scheduler");
    assert!(at(&schedulers.unwrap(), "/spec/replicas").as_u64().unwrap() >= 2);
}

#[test]
fn all_manifests_are_applied() {
    let [kustomization] = &documents("docs/deploy/kubernetes/kustomization.yaml")[..] else {
        panic!("more than one document")
    };
    let mut resources = texts(at(kustomization, "/resources"));
    resources.sort_unstable();
    let mut names = files::names("kubernetes");
    names.retain(|name| name != "kustomization.yaml");
    assert_eq!(resources, names);
    if files::is_there("kubectl") {
        let folder = files::path("docs/deploy/kubernetes");
        let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kinds = String::from_utf8(output.stdout).unwrap();
        assert_eq!(kinds.matches("\nkind: ").count(), objects().len());
    }
}
