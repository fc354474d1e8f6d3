//! Servers that requests are passed on to.

use serde_json::{Value, json};

use super::{Flag, Integer, Kind, Spot, accept, reject};
use crate::cause::{Cause, Flaw};
use crate::model::{UpstreamAddress, UpstreamPart, UpstreamServer};
use crate::near::nearest;
use crate::problem::{Problem, Problems};
use crate::tree::{Data, quoted};
use crate::{place, pointer};

/// One server of a group: its address, or an object with what else is to be said of it.
pub(crate) struct ServerItem;

/// Keys of the object.
const ADDRESS: &str = "address";
const WEIGHT: &str = "weight";
const BACKUP: &str = "backup";
const KEYS: [&str; 3] = [ADDRESS, WEIGHT, BACKUP];
const WEIGHTS: Integer = Integer { min: 1, max: 1000 };

impl ServerItem {
    fn address(at: &Spot<'_>, problems: &mut Problems) -> Option<UpstreamAddress> {
        let text = at.text(|| "an address with a port".to_owned());
        let address =
            text.and_then(|text| place::upstream(text).map_err(|flaw| at.problem(Cause::Malformed(flaw))));
        accept(problems, address)
    }

    /// The value below the object, read by `read`; none when it is not there or wrong.
    fn below<T>(
        at: &Spot<'_>,
        name: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Spot<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let node = &at.node.member(name)?.node;
        let pointer = pointer::join(at.pointer, name);
        read(&Spot { node, pointer: &pointer, label: &quoted(name), ..*at }, problems)
    }

    fn object(at: &Spot<'_>, problems: &mut Problems) -> Option<UpstreamServer> {
        let before = problems.len();
        for member in at.node.members().filter(|member| !KEYS.contains(&member.name.as_str())) {
            let cause = Cause::UnknownKey {
                key: member.name.clone(),
                place: "a server of a group",
                near: nearest(&member.name, KEYS).map(str::to_owned),
                elsewhere: None,
            };
            let below = pointer::join(at.pointer, &member.name);
            problems.push(Problem::new(at.source, &member.origin, &below, cause));
        }
        if at.node.member(ADDRESS).is_none() {
            let flaw =
                Flaw::new("the server has no \"address\"", r#"write "address": "127.0.0.1:9000" here"#);
            problems.push(at.problem(Cause::Malformed(flaw)));
        }
        let address = Self::below(at, ADDRESS, problems, Self::address);
        let weight = Self::below(at, WEIGHT, problems, |at, problems| WEIGHTS.read(at, problems));
        let backup = Self::below(at, BACKUP, problems, |at, problems| Flag.read(at, problems));
        let part = if backup == Some(true) { UpstreamPart::Backup } else { UpstreamPart::Regular };
        let weight = weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
        let server = UpstreamServer { address: address?, weight, part, pointer: at.pointer.to_owned() };
        (problems.len() == before).then_some(server)
    }
}

impl Kind for ServerItem {
    type Out = UpstreamServer;

    fn noun(&self) -> String {
        "an address with a port, or an object with \"address\"".to_owned()
    }

    fn schema(&self) -> Value {
        let address = json!({"type": "string", "pattern": "^(unix:/.+|.+:[0-9]+)$"});
        json!({"anyOf": [address, {
            "type": "object",
            "properties": {ADDRESS: address, WEIGHT: WEIGHTS.schema(), BACKUP: Flag.schema()},
            "required": [ADDRESS],
            "additionalProperties": false,
        }]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<UpstreamServer> {
        match &at.node.data {
            Data::Text(_) => {
                let address = Self::address(at, problems)?;
                let pointer = at.pointer.to_owned();
                Some(UpstreamServer { address, weight: 1, part: UpstreamPart::Regular, pointer })
            }
            Data::Object(_) => Self::object(at, problems),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}
