//! `access explain`: one row a right, or one row a permission.

use super::{AccessQuestion, Failure, Reply};
use crate::access::Right;
use crate::directory::explain::Question;
use crate::directory::{Caller, Directory};
use crate::domain::packages::had_by_in_words;
use serde_json::{Map, Value, json};

pub(super) fn explain(
    directory: &Directory,
    caller: &Caller,
    asked: &AccessQuestion,
    reply: &mut dyn FnMut(Reply) -> bool,
) -> Result<String, Failure> {
    let Some(entry) = &asked.entry else { return permissions(directory, caller, &asked.who, reply) };
    let right = match &asked.right {
        None => None,
        Some(word) => {
            let known = Right::ALL.into_iter().find(|right| right.word() == word);
            Some(known.ok_or_else(|| Failure::nothing(format!("{word} is no right")))?)
        }
    };
    let question = Question {
        who: if asked.who.eq_ignore_ascii_case("anonymous") { String::new() } else { asked.who.clone() },
        entry: entry.clone(),
        attribute: asked.attribute.clone(),
        right,
        address: asked.address,
        cleartext: asked.cleartext,
        certificate: asked.certificate,
    };
    for answer in directory.explain_access(caller, &question)? {
        row(
            json!({
                "right": answer.right.word(), "given": if answer.given { "yes" } else { "no" }, "because": answer.because,
                "attributes": answer.attributes,
            }),
            reply,
        )?;
    }
    Ok(String::new())
}

fn permissions(directory: &Directory, caller: &Caller, who: &str, reply: &mut dyn FnMut(Reply) -> bool) -> Result<String, Failure> {
    let grounds = directory.explain_user(caller, who)?;
    let count = grounds.iter().filter(|ground| ground.in_effect).count();
    for ground in grounds {
        let roles = |by: &[(Box<str>, Box<str>)], verb: &str| {
            let one = |(role, what): &(Box<str>, Box<str>)| match *what == ground.permission {
                true => role.to_string(),
                false => format!("{role} ({verb} {what})"),
            };
            by.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let of_other = |(role, had_by): &(Box<str>, Vec<Box<str>>)| format!("{role} ({})", had_by_in_words(had_by));
        row(
            json!({
                "permission": ground.permission, "in_effect": if ground.in_effect { "yes" } else { "no" },
                "granted_by": roles(&ground.granted_by, "grants"), "restricted_by": roles(&ground.restricted_by, "restricts"),
                "of_other_packages": ground.of_other_packages.iter().map(of_other).collect::<Vec<_>>().join(", "),
            }),
            reply,
        )?;
    }
    Ok(format!("{count} {} in effect", if count == 1 { "permission is" } else { "permissions are" }))
}

fn row(row: Value, reply: &mut dyn FnMut(Reply) -> bool) -> Result<(), Failure> {
    let row: Map<String, Value> = match row {
        Value::Object(row) => row,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    match reply(Reply::Row(row)) {
        true => Ok(()),
        false => Err(Failure::nothing("nobody is listening")),
    }
}
