//! The crate graph as cargo resolved it, against the tables of the house.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::policy::{FEATURES_NEVER, LAYERS, NAMED_ONLY_BY, NEVER_REACHES, TOOLS};

/// Checks the graph that `cargo metadata` printed.
pub(crate) fn check(metadata: &Value) -> Outcome {
    let graph = Graph::read(metadata);
    if graph.members.is_empty() {
        return Err(Failure::Answer { program: "cargo metadata", what: "no members".to_owned() });
    }
    Failure::unless_empty(graph.faults())
}

#[derive(Debug, Default)]
struct Graph {
    members: BTreeSet<String>,
    /// Crate name to the names it depends on when built, tests aside. Versions of one name are one node here,
    /// which can only make the checks stricter.
    uses: BTreeMap<String, BTreeSet<String>>,
    features: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Graph {
        let names: BTreeMap<&str, &str> = list(&metadata["packages"])
            .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect();
        let name =
            |id: &Value| id.as_str().and_then(|id| names.get(id)).copied().unwrap_or_default().to_owned();
        let mut graph =
            Graph { members: list(&metadata["workspace_members"]).map(name).collect(), ..Graph::default() };
        for node in list(&metadata["resolve"]["nodes"]) {
            let user = name(&node["id"]);
            let uses = graph.uses.entry(user.clone()).or_default();
            uses.extend(list(&node["deps"]).filter(|dep| is_built(dep)).map(|dep| name(&dep["pkg"])));
            let features = list(&node["features"]).filter_map(Value::as_str).map(str::to_owned);
            graph.features.entry(user).or_default().extend(features);
        }
        graph
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.check_layers(&mut faults);
        self.check_names(&mut faults);
        self.check_reach(&mut faults);
        self.check_features(&mut faults);
        faults
    }

    fn check_layers(&self, faults: &mut Vec<String>) {
        let layer = |name: &str| LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer);
        for member in &self.members {
            let is_tool = TOOLS.contains(&member.as_str());
            let Some(own) = layer(member).or(is_tool.then_some(u32::MAX)) else {
                faults.push(format!("{member} has no layer: give it one in xtask/src/policy.rs"));
                continue;
            };
            for used in self.uses_of(member).filter(|used| self.members.contains(*used)) {
                let below = layer(used).is_some_and(|layer| layer < own);
                if !below {
                    faults.push(format!("{member} uses {used}, which does not stand below it"));
                }
            }
        }
    }

    fn check_names(&self, faults: &mut Vec<String>) {
        for (library, allowed) in NAMED_ONLY_BY {
            for member in self.members.iter().filter(|member| !allowed.contains(&member.as_str())) {
                if self.uses_of(member).any(|used| used == *library) {
                    faults.push(format!("{member} uses {library}, which only {} may", allowed.join(" and ")));
                }
            }
        }
    }

    fn check_reach(&self, faults: &mut Vec<String>) {
        for (member, never) in NEVER_REACHES {
            let reached = self.reach(member);
            for library in never.iter().filter(|library| reached.contains_key(**library)) {
                faults.push(format!("{member} reaches {library}: {}", path(&reached, library)));
            }
        }
    }

    fn check_features(&self, faults: &mut Vec<String>) {
        for (library, never) in FEATURES_NEVER {
            let enabled = self.features.get(*library).into_iter().flatten();
            for feature in enabled.filter(|feature| never.contains(&feature.as_str())) {
                faults.push(format!("feature {feature:?} of {library} is enabled"));
            }
        }
    }

    fn uses_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.uses.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Everything that `from` reaches, each with who led there.
    fn reach(&self, from: &str) -> BTreeMap<String, String> {
        let mut reached = BTreeMap::new();
        let mut open = vec![from.to_owned()];
        while let Some(name) = open.pop() {
            for used in self.uses_of(&name) {
                if !reached.contains_key(used) {
                    reached.insert(used.to_owned(), name.clone());
                    open.push(used.to_owned());
                }
            }
        }
        reached
    }
}

/// The way by which `to` was reached.
fn path(reached: &BTreeMap<String, String>, to: &str) -> String {
    let mut names = vec![to];
    while let Some(user) = names.last().and_then(|name| reached.get(*name)) {
        if names.contains(&user.as_str()) {
            break;
        }
        names.push(user);
    }
    names.reverse();
    names.join(" -> ")
}

/// Whether a dependency is there in a build, not only for tests.
fn is_built(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"].as_str() != Some("dev"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of edges `user>used`, members being those with a layer or a tool.
    fn graph(edges: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for edge in edges {
            let (user, used) = edge.split_once('>').expect("user>used");
            graph.uses.entry(user.to_owned()).or_default().insert(used.to_owned());
            for name in [user, used] {
                if LAYERS.iter().any(|(known, _)| *known == name)
                    || TOOLS.contains(&name)
                    || name == "stranger"
                {
                    graph.members.insert(name.to_owned());
                }
            }
        }
        graph
    }

    #[test]
    fn holds_graphs_against_the_tables() {
        for (edges, wanted) in [
            (&["engine>site", "site>config", "config>sys", "engine>glommio-ng", "e2e>nix"][..], &[][..]),
            (&["sys>perf"], &["sys uses perf, which does not stand below it"]),
            (
                &["config>proto-http"],
                &["config uses proto-http, which does not stand below it", "config reaches"],
            ),
            (&["engine>xtask"], &["engine uses xtask, which does not stand below it"]),
            (&["kimura-bin>io-uring"], &["kimura-bin uses io-uring, which only engine may"]),
            (&["site>middle", "middle>tokio"], &["site reaches tokio: site -> middle -> tokio"]),
            (&["stranger>sys"], &["stranger has no layer"]),
        ] {
            let faults = graph(edges).faults();
            assert_eq!(faults.len(), wanted.len(), "{edges:?}: {faults:?}");
            for (fault, wanted) in faults.iter().zip(wanted) {
                assert!(fault.starts_with(wanted), "{fault}");
            }
        }
    }

    #[test]
    fn sees_features() {
        let mut graph = graph(&["engine>tokio"]);
        graph.features.insert("tokio".to_owned(), ["sync".to_owned(), "rt".to_owned()].into());
        assert_eq!(graph.faults(), ["feature \"rt\" of tokio is enabled"]);
    }

    #[test]
    fn reads_metadata() {
        let metadata = serde_json::json!({
            "packages": [{"id": "a 1", "name": "sys"}, {"id": "b 1", "name": "libc"}, {"id": "c 1", "name": "t"}],
            "workspace_members": ["a 1"],
            "resolve": {"nodes": [{
                "id": "a 1",
                "features": ["f"],
                "deps": [
                    {"pkg": "b 1", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]},
                ],
            }]},
        });
        let graph = Graph::read(&metadata);
        assert_eq!(graph.uses_of("sys").collect::<Vec<_>>(), ["libc"]);
        assert!(graph.features["sys"].contains("f"));
    }
}
