//! Rendered manifests as values, with the few questions that rules ask of them.

use anyhow::{Context, Result};
use serde::Deserialize as _;
use serde_json::Value;

/// All objects of one rendered variant.
pub(crate) struct Manifest {
    pub(crate) objects: Vec<Value>,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut objects = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = Value::deserialize(document).context("the manifest is not YAML")?;
            if !value.is_null() {
                objects.push(value);
            }
        }
        Ok(Self { objects })
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |object| text(object, "/kind") == kind)
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects
            .iter()
            .find(|object| text(object, "/kind") == kind && text(object, "/metadata/name") == name)
    }

    /// Everything that makes pods.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        self.objects.iter().filter_map(|object| {
            Some(Workload {
                object,
                labels: object.pointer("/spec/template/metadata/labels")?,
                pod: object.pointer("/spec/template/spec")?,
            })
        })
    }

    /// The workload that serves.
    pub(crate) fn server(&self) -> Result<Workload<'_>> {
        self.workloads()
            .find(|workload| text(workload.object, "/metadata/name") == "tokenhouse")
            .context("there is no workload tokenhouse")
    }
}

/// An object that makes pods.
pub(crate) struct Workload<'a> {
    pub(crate) object: &'a Value,
    pub(crate) labels: &'a Value,
    pub(crate) pod: &'a Value,
}

impl<'a> Workload<'a> {
    /// Those that run on, and before them those that end.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        list(self.pod, "/initContainers")
            .iter()
            .chain(list(self.pod, "/containers"))
    }

    pub(crate) fn container(&self, name: &str) -> Result<&'a Value> {
        self.containers()
            .find(|container| text(container, "/name") == name)
            .with_context(|| format!("{} has no container {name}", title(self.object)))
    }

    pub(crate) fn has_port(&self, port: &Value) -> bool {
        self.containers()
            .flat_map(|container| list(container, "/ports"))
            .any(|open| open["name"] == *port || open["containerPort"] == *port)
    }

    /// Whether a selector of labels chooses these pods. An empty one chooses all.
    pub(crate) fn is_selected(&self, labels: &Value) -> bool {
        selects(labels, self.labels)
    }
}

/// Whether `labels` has everything that `wanted` asks for.
pub(crate) fn selects(wanted: &Value, labels: &Value) -> bool {
    let Some(wanted) = wanted.as_object() else {
        return true;
    };
    wanted.iter().all(|(name, value)| labels[name] == *value)
}

/// The text at a place, or nothing.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list at a place, or an empty one.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// How an object is called in a message.
pub(crate) fn title(object: &Value) -> String {
    format!(
        "{}/{}",
        text(object, "/kind"),
        text(object, "/metadata/name")
    )
}

/// Every value in a tree, with the name of the member it is at.
pub(crate) fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(name, member);
                walk(member, visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, visit);
            }
        }
        _ => {}
    }
}
