//! Groups with many members are answered in pieces: each is made when the peer has read what came before it, so that the
//! memory an answer takes does not depend on how many there are (HD1). Members come in order of number, so nobody who is one
//! all the while is missing or comes twice, whoever comes and goes meanwhile.

use super::error::MEDIA_TYPE;
use super::gateway::Gateway;
use super::json::Object;
use super::project::Projection;
use crate::base::EntryId;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;
use std::io;

/// Members of one piece: some 64 KiB.
const PIECE: usize = 256;

/// An answer under way.
struct Members {
    gateway: Gateway,
    /// The name of its type.
    resource_type: &'static str,
    projection: Projection,
    group: EntryId,
    next: Next,
}

/// What the next piece is.
enum Next {
    /// What stands before the members.
    Head(String),
    /// Those after this one, and whether there was one before.
    After(Option<EntryId>, bool),
    /// Nothing.
    End,
}

/// The answer with a group of the type of that name; `head` is the resource without its members.
pub(super) fn group(gateway: &Gateway, name: &'static str, projection: &Projection, group: EntryId, head: Object) -> Response {
    let members = Members {
        gateway: gateway.clone(),
        resource_type: name,
        projection: projection.clone(),
        group,
        next: Next::Head(Value::Object(head).to_string()),
    };
    let pieces = stream::unfold(members, |mut members| {
        let piece = members.piece().transpose();
        std::future::ready(piece.map(|piece| (piece, members)))
    });
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(pieces)).into_response()
}

impl Members {
    /// The next piece. An error breaks the answer off, so that nobody takes a part of the members for all of them.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let (after, mut any) = match std::mem::replace(&mut self.next, Next::End) {
            Next::End => return Ok(None),
            Next::Head(mut head) => {
                self.next = Next::After(None, false);
                head.pop();
                head.push_str(if head.len() > 1 { ",\"members\":[" } else { "\"members\":[" });
                return Ok(Some(head.into()));
            }
            Next::After(after, any) => (after, any),
        };
        let found = self.gateway.members_after(self.group, after, PIECE).map_err(io::Error::other)?;
        let mut text = String::new();
        for member in &found.members {
            if let Some(shown) = self.shown(self.gateway.member_value(member)) {
                text.push_str(if any { "," } else { "" });
                text.push_str(&shown.to_string());
                any = true;
            }
        }
        match found.last {
            Some(last) => self.next = Next::After(Some(last), any),
            None => text.push_str("]}"),
        }
        Ok(Some(text.into()))
    }

    /// What the projection leaves of a member.
    fn shown(&self, member: Value) -> Option<Value> {
        let one = Object::from_iter([("members".to_owned(), Value::Array(vec![member]))]);
        let resource_type = self.gateway.catalogue.types.iter().find(|held| held.name == self.resource_type)?;
        match self.projection.apply(one, resource_type).shift_remove("members") {
            Some(Value::Array(mut members)) => members.pop(),
            Some(_) | None => None,
        }
    }
}
