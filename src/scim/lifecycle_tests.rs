//! What becomes of users that a client disables, deletes and makes again, and whom it may change (HE1, HE2, HE10).

use super::tests::Bench;
use crate::base::Secret;
use crate::directory::{EntrySink, Error, Origin, Scope, SearchRequest, SessionRequest, Visible, Write, WriteOptions};
use crate::model::{Filter, Modification, ModificationKind};
use serde_json::{Value, json};
use std::time::Duration;

const ACME: &str = "o=acme,dc=example,dc=com";
const PASSWORD: &str = "seven purple tractors sing";

fn user(name: &str) -> Value {
    json!({"userName": name, "name": {"familyName": "x"}, "emails": [{"value": format!("{name}@acme.example"), "primary": true}]})
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

impl Bench {
    pub(super) async fn set(&self, settings: Value) {
        let settings = settings.as_object().unwrap().clone();
        self.directory.change_client(&self.operator, Some(ACME), "test", settings).await.unwrap();
    }

    pub(super) async fn other_client(&self) -> String {
        let token = self.directory.mint_token(&self.operator, ACME, "second", None).await.unwrap();
        String::from_utf8(token.secret.expose().to_vec()).unwrap()
    }

    async fn post(&self, body: Value) -> super::tests::Answer {
        self.call("POST", "/Users", body).await
    }

    async fn delete(&self, id: &str) -> u16 {
        self.call("DELETE", &format!("/Users/{id}"), Value::Null).await.0.as_u16()
    }

    pub(super) async fn replace(&self, dn: &str, attribute: &str, value: &str) -> Result<(), Error> {
        let values = vec![value.as_bytes().to_vec()];
        let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: attribute.to_owned(), values }];
        let write = Write::Modify { dn: dn.to_owned(), modifications };
        self.directory.write(&self.operator, write, WriteOptions::default()).await.map(drop)
    }

    /// The values of an attribute, of all options; `None` where the entry is not there.
    pub(super) fn values(&self, dn: &str, attribute: &str) -> Option<Vec<String>> {
        struct Sink(Option<Vec<String>>, String);
        impl EntrySink for Sink {
            fn entry(&mut self, entry: &Visible<'_>) {
                let entry = entry.to_owned();
                let wanted = |name: &str| name.split(';').next().is_some_and(|name| name.eq_ignore_ascii_case(&self.1));
                let values = entry.attributes().filter(|(name, _)| wanted(name)).flat_map(|(_, values)| values);
                self.0 = Some(values.map(|value| String::from_utf8_lossy(value).into_owned()).collect());
            }
            fn reference(&mut self, _: &[String]) {}
        }
        let filter = Filter::Present("objectClass".into());
        let request = SearchRequest::new(dn, Scope::Base, filter, vec![attribute]);
        let mut sink = Sink(None, attribute.to_owned());
        let _ = self.directory.search_first(&self.operator, &request, &mut sink);
        sink.0
    }

    async fn signs_in(&self, name: &str) -> bool {
        let dn = format!("uid={name},ou=users,{ACME}");
        self.directory.bind(&Origin::system(), &dn, &Secret::new(PASSWORD), SessionRequest::default()).await.is_ok()
    }

    async fn with_licence() -> Self {
        let bench = Self::new().await;
        bench.add(&format!("cn=main,ou=licences,{ACME}"), &[("objectClass", "hcLicence"), ("hcSessionLimit", "9")]).await;
        bench
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn he10_a_deleted_user_is_gone_for_all_and_comes_back_as_it_was() {
    let bench = Bench::with_licence().await;
    bench.add(&format!("cn=clerk,ou=roles,{ACME}"), &[("objectClass", "hcRoleDefinition")]).await;
    let id = bench.post(with(user("ann"), &json!({"password": PASSWORD, "externalId": "7", "title": "VP"}))).await.id();
    let dn = format!("uid=ann,ou=users,{ACME}");
    bench.replace(&dn, "hcRole", &format!("cn=clerk,ou=roles,{ACME}")).await.unwrap();
    let boss = bench.user("boss").await;
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    bench.patch(&format!("/Users/{id}"), json!([{"op": "add", "path": format!("{enterprise}:manager"), "value": boss}])).await.ok();
    let team = bench.group("team", &[&id]).await;
    assert!(bench.signs_in("ann").await);
    assert_eq!(bench.directory.sessions(&bench.operator).len(), 1);
    assert_eq!(bench.delete(&id).await, 204);
    assert!(bench.directory.sessions(&bench.operator).is_empty() && !bench.signs_in("ann").await, "HC7");
    for (method, body) in
        [("GET", Value::Null), ("PATCH", json!({"Operations": [{"op": "remove", "path": "title"}]})), ("DELETE", Value::Null)]
    {
        bench.call(method, &format!("/Users/{id}"), body).await.refused(404, None);
    }
    assert!(bench.found("/Users", "userName eq \"ann\"").await.is_empty() && bench.members(&team).await.is_empty());
    // The name and the address are free.
    let second = bench.post(with(user("ann"), &json!({"externalId": "7"}))).await.id();
    assert_ne!(second, id);
    let kept = bench.directory.kept_users(&bench.operator);
    assert_eq!((kept.len(), &kept[0].id, &kept[0].dn), (1, &id, &dn));
    let taken = bench.directory.restore_user(&bench.operator, &id).await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists(_) | Error::Uniqueness(_)), "{taken:?}");
    bench.set(json!({"deletion": "delete"})).await;
    assert_eq!(bench.delete(&second).await, 204);
    assert!(bench.directory.restore_user(&bench.operator, &second).await.is_err(), "that one is gone for good");
    assert_eq!(bench.directory.restore_user(&bench.operator, &id).await.unwrap(), dn);
    let back = bench.get(&format!("/Users/{id}")).await.ok();
    assert_eq!((&back["externalId"], &back["title"], &back["roles"][0]["display"]), (&json!("7"), &json!("VP"), &json!("clerk")));
    assert_eq!(back[enterprise]["manager"]["value"], json!(boss));
    assert_eq!(bench.members(&team).await, [id]);
    assert!(bench.signs_in("ann").await && bench.directory.kept_users(&bench.operator).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_kept_for_as_long_as_the_settings_say() {
    let bench = Bench::new().await;
    let id = bench.user("ann").await;
    bench.delete(&id).await;
    bench.clock.advance(Duration::from_secs(29 * 86_400));
    bench.directory.forget_kept_users().await.unwrap();
    assert_eq!(bench.directory.kept_users(&bench.operator).len(), 1);
    bench.clock.advance(Duration::from_secs(86_400));
    bench.directory.forget_kept_users().await.unwrap();
    assert!(bench.directory.kept_users(&bench.operator).is_empty());
    assert!(bench.directory.restore_user(&bench.operator, &id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_content_about_a_kept_user_waits_for_it_and_goes_when_it_is_forgotten() {
    let bench = Bench::new().await;
    let (ann, bob) = (bench.user("ann").await, bench.user("bob").await);
    let dn = |name: &str| format!("uid={name},ou=users,{ACME}");
    for (name, about, author) in [("about ann", "ann", "bob"), ("by ann", "bob", "ann")] {
        let attributes = [
            ("objectClass", "hcContent"),
            ("hcContentType", "note"),
            ("hcVisibility", "just-me"),
            ("hcSubject", &dn(about)),
            ("hcAuthor", &dn(author)),
        ];
        bench.add(&format!("cn={name},ou=content,{ACME}"), &attributes).await;
    }
    let links = |name: &str, attribute: &str| bench.values(&format!("cn={name},ou=content,{ACME}"), attribute);
    bench.delete(&ann).await;
    assert_eq!((links("about ann", "hcSubject"), links("by ann", "hcAuthor")), (Some(vec![]), Some(vec![])));
    // Somebody takes over what ann wrote, and keeps it.
    bench.replace(&format!("cn=by ann,ou=content,{ACME}"), "hcAuthor", &dn("bob")).await.unwrap();
    bench.directory.restore_user(&bench.operator, &ann).await.unwrap();
    assert_eq!((links("about ann", "hcSubject"), links("by ann", "hcAuthor")), (Some(vec![dn("ann")]), Some(vec![dn("bob")])));
    bench.delete(&ann).await;
    bench.clock.advance(Duration::from_secs(31 * 86_400));
    bench.directory.forget_kept_users().await.unwrap();
    assert_eq!((links("about ann", "hcSubject"), links("by ann", "hcSubject")), (None, Some(vec![dn("bob")])));
    assert_eq!(bench.delete(&bob).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_31_a_client_that_makes_a_user_again_has_it_back_with_its_id() {
    let bench = Bench::with_licence().await;
    let id = bench.post(with(user("ann"), &json!({"externalId": "e1", "password": PASSWORD}))).await.id();
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    bench.patch(&format!("/Users/{id}"), off.clone()).await.ok();
    let refused = bench.post(with(user("ann"), &json!({"externalId": "e1"}))).await;
    refused.refused(409, Some("uniqueness"));
    assert!(refused.2["detail"].as_str().unwrap().contains(&id), "{}", refused.2);
    let refused = bench.post(with(user("ann.new"), &json!({"externalId": "e1", "emails": []}))).await;
    refused.refused(409, Some("uniqueness"));
    assert!(refused.2["detail"].as_str().unwrap().contains(&id), "HE1: {}", refused.2);
    bench.set(json!({"restore_on_create": true})).await;
    // By the externalId, under another name; then by the name alone.
    let back = bench.post(with(user("ann.blum"), &json!({"externalId": "e1", "title": "VP"}))).await;
    assert_eq!(
        (back.0.as_u16(), &back.2["id"], &back.2["userName"], &back.2["active"]),
        (201, &json!(id), &json!("ann.blum"), &json!(true))
    );
    assert!(bench.signs_in("ann.blum").await, "nobody has set another password");
    bench.post(user("ann.blum")).await.refused(409, Some("uniqueness"));
    bench.patch(&format!("/Users/{id}"), off.clone()).await.ok();
    assert_eq!(bench.post(user("Ann.Blum")).await.id(), id);
    // The same of one that was deleted, where others referred to it.
    let team = bench.group("team", &[&id]).await;
    bench.delete(&id).await;
    let back = bench.post(with(user("ann"), &json!({"externalId": "e1"}))).await;
    assert_eq!((back.0.as_u16(), &back.2["id"], &back.2["userName"], &back.2["title"]), (201, &json!(id), &json!("ann"), &json!("VP")));
    assert_eq!(back.2["emails"][0]["value"], json!("ann@acme.example"));
    assert_eq!(bench.members(&team).await, [id.as_str()]);
    assert!(bench.directory.kept_users(&bench.operator).is_empty());
    // What another client had is not this one's to bring back.
    bench.delete(&id).await;
    let mut other = bench;
    other.token = other.other_client().await;
    let settings = json!({"restore_on_create": true}).as_object().unwrap().clone();
    other.directory.change_client(&other.operator, Some(ACME), "second", settings).await.unwrap();
    assert_ne!(other.post(with(user("ann"), &json!({"externalId": "e1"}))).await.id(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_38_a_client_whose_delete_disables_sees_it_as_deleted_and_makes_it_again() {
    let bench = Bench::with_licence().await;
    bench.set(json!({"deletion": "deactivate"})).await;
    let id = bench.post(with(user("probe"), &json!({"password": PASSWORD}))).await.id();
    let team = bench.group("team", &[&id]).await;
    for _ in 0..2 {
        assert!(bench.signs_in("probe").await);
        assert_eq!(bench.delete(&id).await, 204);
        assert!(!bench.signs_in("probe").await && bench.directory.sessions(&bench.operator).is_empty());
        bench.get(&format!("/Users/{id}")).await.refused(404, None);
        assert_eq!(bench.delete(&id).await, 404);
        assert!(bench.found("/Users", "userName eq \"probe\"").await.is_empty() && bench.members(&team).await.is_empty());
        let back = bench.post(user("probe")).await;
        assert_eq!((back.0.as_u16(), &back.2["id"]), (201, &json!(id)));
        assert_eq!(bench.members(&team).await, [id.as_str()]);
    }
    bench.delete(&id).await;
    bench.replace(&format!("uid=probe,ou=users,{ACME}"), "hcActive", "TRUE").await.unwrap();
    assert_eq!(bench.get(&format!("/Users/{id}")).await.ok()["active"], json!(true), "an administrator has let it in again");
}

#[tokio::test(flavor = "multi_thread")]
async fn he1_each_client_has_external_ids_of_its_own_and_none_is_an_id() {
    let mut bench = Bench::new().await;
    let (first, second) = (bench.token.clone(), bench.other_client().await);
    let ann = bench.post(with(user("ann"), &json!({"externalId": "4711"}))).await.id();
    let bob = bench.post(with(user("bob"), &json!({"externalId": ann}))).await;
    assert_ne!(bob.id(), ann, "ids are the server's");
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok()["userName"], json!("ann"), "an externalId is no id");
    assert_eq!(bench.found("/Users", &format!("externalId eq \"{ann}\"")).await, [bob.id()]);
    bench.post(with(user("cleo"), &json!({"externalId": "4711"}))).await.refused(409, Some("uniqueness"));
    bench
        .patch(&format!("/Users/{}", bob.id()), json!([{"op": "replace", "value": {"externalId": "4711"}}]))
        .await
        .refused(409, Some("uniqueness"));
    assert_eq!(
        bench.call("POST", "/Groups", json!({"displayName": "g", "externalId": "4711"})).await.0.as_u16(),
        201,
        "a group is another kind"
    );
    bench.token = second;
    assert!(bench.found("/Users", "externalId eq \"4711\"").await.is_empty() && bench.found("/Users", "externalId pr").await.is_empty());
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok().get("externalId"), None);
    let cleo = bench.post(with(user("cleo"), &json!({"externalId": "4711"}))).await.id();
    bench.directory.give_to_client(&bench.operator, Some(ACME), "second", &[format!("uid=ann,ou=users,{ACME}")]).await.unwrap();
    bench.patch(&format!("/Users/{ann}"), json!([{"op": "add", "value": {"externalId": "a-2"}}])).await.ok();
    assert_eq!(bench.found("/Users", "externalId eq \"4711\"").await, [cleo]);
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok()["externalId"], json!("a-2"));
    bench.token = first;
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok()["externalId"], json!("4711"));
    assert_eq!(bench.found("/Users", "externalId eq \"4711\"").await, [ann.as_str()]);
    bench.patch(&format!("/Users/{ann}"), json!([{"op": "remove", "path": "externalId"}])).await.ok();
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok().get("externalId"), None, "what it was for the other stays the other's");
}

#[tokio::test(flavor = "multi_thread")]
async fn he2_a_client_changes_what_it_made_or_was_given() {
    let bench = Bench::new().await;
    let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "b"), ("sn", "b"), ("mail", "bob@acme.example")];
    let dn = format!("uid=bob,ou=users,{ACME}");
    bench.add(&dn, &person).await;
    let bob = bench.found("/Users", "userName eq \"bob\"").await.remove(0);
    let path = format!("/Users/{bob}");
    let change = json!([{"op": "replace", "value": {"title": "VP"}}]);
    bench.patch(&path, change.clone()).await.refused(403, None);
    assert_eq!(bench.delete(&bob).await, 403);
    bench.post(user("bob")).await.refused(409, Some("uniqueness"));
    let own = bench.user("own").await;
    let team = bench.group("team", &[&own, &bob]).await;
    assert_eq!(bench.members(&team).await.len(), 2, "a group of its own takes anybody it sees");
    assert_eq!(bench.directory.give_to_client(&bench.operator, None, "test", std::slice::from_ref(&dn)).await.unwrap(), 1);
    assert_eq!(bench.directory.give_to_client(&bench.operator, None, "test", std::slice::from_ref(&dn)).await.unwrap(), 0);
    bench.patch(&path, change.clone()).await.ok();
    let mut second = bench;
    let (first, other) = (second.token.clone(), second.other_client().await);
    second.token = other;
    second.patch(&path, json!([{"op": "replace", "value": {"title": "Q"}}])).await.refused(403, None);
    let settings = json!({"reach": "organisation"}).as_object().unwrap().clone();
    second.directory.change_client(&second.operator, Some(ACME), "second", settings).await.unwrap();
    second.patch(&path, json!([{"op": "replace", "value": {"title": "P"}}])).await.ok();
    // Whoever holds a role of the system is no client's to change, whoever made it.
    let role = format!("cn=hr,ou=roles,{ACME}");
    second.add(&role, &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "hr-manager")]).await;
    second.replace(&dn, "hcRole", &role).await.unwrap();
    for token in [second.token.clone(), first] {
        second.token = token;
        let address = json!([{"op": "replace", "path": "emails", "value": [{"value": "evil@acme.example"}]}]);
        second.patch(&path, address).await.refused(403, None);
        second.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.refused(403, None);
        assert_eq!(second.delete(&bob).await, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_at_its_ceiling_is_paused_until_an_administrator_lets_it_go_on() {
    let bench = Bench::new().await;
    bench.set(json!({"deactivation_ceiling": 2, "window": 3_600})).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(bench.user(name).await);
    }
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    bench.patch(&format!("/Users/{}", ids[0]), off.clone()).await.ok();
    assert_eq!(bench.delete(&ids[0]).await, 204, "it was counted when it was disabled");
    assert_eq!(bench.delete(&ids[1]).await, 204);
    let refused = bench.patch(&format!("/Users/{}", ids[2]), off.clone()).await;
    refused.refused(403, None);
    assert!(refused.2["detail"].as_str().unwrap().contains("paused"), "{}", refused.2);
    assert_eq!(bench.get(&format!("/Users/{}", ids[2])).await.ok()["active"], json!(true), "reads go on, and nothing was done");
    bench.clock.advance(Duration::from_secs(86_400));
    bench.post(user("e")).await.refused(403, None);
    bench.patch(&format!("/Users/{}", ids[3]), json!([{"op": "replace", "value": {"title": "x"}}])).await.refused(403, None);
    let shown = bench.directory.client_named(&bench.operator, Some(ACME), "test").unwrap();
    assert!(shown.paused.is_some());
    bench.directory.resume_client(&bench.operator, Some(ACME), "test").await.unwrap();
    assert_eq!((bench.delete(&ids[2]).await, bench.delete(&ids[3]).await), (204, 204));
    let last = bench.user("last").await;
    assert_eq!(bench.delete(&last).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_trial_is_answered_as_if_it_were_done_and_nothing_is() {
    let bench = Bench::new().await;
    let id = bench.user("ann").await;
    let group = bench.group("others", &[]).await;
    bench.set(json!({"dry_run": true, "deactivation_ceiling": 0})).await;
    let made = bench.post(user("bob")).await;
    assert_eq!((made.0.as_u16(), &made.2["userName"]), (201, &json!("bob")));
    assert_eq!(made.1["headcount-dry-run"], "true");
    assert!(!bench.get(&format!("/Users/{id}")).await.1.contains_key("headcount-dry-run"));
    bench.get(&format!("/Users/{}", made.id())).await.refused(404, None);
    bench.post(user("ann")).await.refused(409, Some("uniqueness"));
    let team = json!({"displayName": "team", "members": [{"value": id}]});
    assert_eq!(bench.call("POST", "/Groups", team).await.ok()["displayName"], json!("team"));
    let membership = json!({"group": {"value": group}, "member": {"value": id}, "level": "viewOnly"});
    assert_eq!(bench.call("POST", "/Memberships", membership).await.ok()["level"], json!("viewOnly"));
    let path = format!("/Users/{id}");
    let changed = bench.patch(&path, json!([{"op": "replace", "value": {"title": "VP", "userName": "anna"}}])).await.ok();
    assert_eq!((&changed["title"], &changed["userName"]), (&json!("VP"), &json!("anna")));
    let held = bench.get(&path).await.ok();
    assert_eq!((held.get("title"), &held["userName"]), (None, &json!("ann")));
    assert_eq!(bench.delete(&id).await, 403, "what would be refused is");
    assert!(bench.directory.client_named(&bench.operator, Some(ACME), "test").unwrap().paused.is_none());
    bench.set(json!({"deactivation_ceiling": null})).await;
    assert_eq!(bench.delete(&id).await, 204);
    bench.get(&path).await.ok();
    assert!(bench.directory.kept_users(&bench.operator).is_empty());
}

#[tokio::test]
async fn u3_an_administrator_makes_a_user_with_a_seat_and_a_client_does_not() {
    let bench = Bench::with_licence().await;
    let licence = format!("cn=main,ou=licences,{ACME}");
    bench.replace(&licence, "hcSelfService", "TRUE").await.unwrap();
    let extension = "urn:headcount:scim:schemas:extension:1.0:User";
    let body = |name: &str| {
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", extension], "userName": name, "name": {"familyName": name},
            extension: {"increaseSessionLimit": true}})
    };
    bench.call("POST", "/Users", body("ann")).await.refused(403, None);
    assert_eq!(bench.values(&licence, "hcSessionLimit"), Some(vec!["9".to_owned()]));
    let chief = [("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")];
    bench.add(&format!("cn=chief,ou=roles,{ACME}"), &chief).await;
    let boss = format!("uid=boss,ou=users,{ACME}");
    let role = format!("cn=chief,ou=roles,{ACME}");
    let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "boss"), ("sn", "boss"), ("hcRole", &role)];
    bench.add(&boss, &[&person[..], &[("userPassword", PASSWORD)]].concat()).await;
    let token = bench.directory.mint_personal_token(&bench.operator, &boss, "test", None).await.unwrap();
    let bearer = format!("Bearer {}", String::from_utf8(token.secret.expose().to_vec()).unwrap());
    let made = bench.send("POST", "/scim/v2/Users", &[("authorization", &bearer)], body("ann").to_string()).await.ok();
    assert!(made.get(extension).is_none(), "it is not kept: {made}");
    assert_eq!(bench.values(&licence, "hcSessionLimit"), Some(vec!["10".to_owned()]));
    let path = format!("{extension}:increaseSessionLimit");
    let later =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": path, "value": true}]});
    let user = format!("/scim/v2/Users/{}", made["id"].as_str().unwrap());
    let refused = bench.send("PATCH", &user, &[("authorization", &bearer)], later.to_string()).await;
    assert!(refused.0.is_client_error(), "{}", refused.2);
    // Who sends a whole user again says false of it, and asks for nothing.
    let again = later.to_string().replace("true", "false");
    bench.send("PATCH", &user, &[("authorization", &bearer)], again).await.ok();
    assert_eq!(bench.values(&licence, "hcSessionLimit"), Some(vec!["10".to_owned()]));
}

#[tokio::test]
async fn a_request_is_explained_by_what_it_would_change_and_changes_nothing() {
    use super::explain::{Asked, Explained};
    let bench = Bench::new().await;
    let (ann, bob) = (bench.user("ann").await, bench.user("bob").await);
    let team = bench.group("team", &[&ann]).await;
    let explain = async |method: &str, path: String, body: Value| -> Result<Explained, String> {
        let (caller, witness) = bench.directory.on_trial(&bench.operator, Some(ACME), "test").unwrap();
        let asked = Asked { method: method.to_owned(), path, body: body.to_string().into_bytes() };
        bench.scim.explain(caller, &witness, asked).await
    };
    let told = |explained: &Explained| -> Vec<String> {
        let one = |(change, shown): &(crate::directory::WouldChange, Option<String>)| {
            let rdn = change.entry.split(',').next().unwrap_or_default();
            let shown = shown.clone().unwrap_or_else(|| change.attribute.clone());
            format!("{} {rdn} {shown} {}>{}", change.operation, change.before.join("+"), change.after.join("+"))
        };
        explained.changes.iter().map(one).collect()
    };
    let patch = |operation: Value| json!({"Operations": [operation]});
    let path = format!("/Users/{ann}");
    let title = explain("PATCH", path.clone(), patch(json!({"op": "add", "path": "title", "value": "VP"}))).await.unwrap();
    assert_eq!((title.status, told(&title)), (200, vec!["modify uid=ann title >VP".to_owned()]));
    let refused = explain("PATCH", path.clone(), patch(json!({"op": "add", "path": "id", "value": "VP"}))).await.unwrap();
    assert_eq!((refused.status, refused.scim_type, refused.changes.len()), (400, Some("mutability"), 0));
    assert!(refused.detail.unwrap().contains("id"));
    let member = patch(json!({"op": "add", "path": "members", "value": [{"value": bob}]}));
    let member = explain("patch", format!("/scim/v2/Groups/{team}"), member).await.unwrap();
    assert_eq!(told(&member), [format!("modify cn=team members >{}", format_args!("uid=bob,ou=users,{ACME}"))]);
    let body = json!({"userName": "cleo", "password": PASSWORD, "nothing": 1});
    let made = explain("POST", "/Users".to_owned(), body).await.unwrap();
    assert_eq!((made.status, made.ignored.as_slice()), (201, ["nothing".to_owned()].as_slice()));
    let secret: Vec<&str> = made.changes.iter().filter(|(change, _)| change.secret).map(|(change, _)| &*change.attribute).collect();
    assert_eq!(secret, ["userPassword"]);
    assert!(!format!("{made:?}").contains(PASSWORD), "HC6");
    let gone = explain("DELETE", path.clone(), Value::Null).await.unwrap();
    assert!(gone.status == 204 && gone.changes.iter().all(|(change, _)| change.operation == "delete"), "{gone:?}");
    let nothing = explain("GET", path.clone(), Value::Null).await.unwrap();
    assert_eq!((nothing.status, nothing.changes.len()), (200, 0));
    for path in ["/Bulk", "Users", ""] {
        assert!(explain("POST", path.to_owned(), Value::Null).await.is_err(), "{path}");
    }
    // Nothing of it was done, and none of it stands in the log of the client.
    let after = bench.get(&path).await.ok();
    assert!(after.get("title").is_none() && bench.members(&team).await == [ann], "{after}");
    assert!(bench.found("/Users", "userName eq \"cleo\"").await.is_empty());
    let log = bench.directory.client_log(&bench.operator, Some(ACME), "test", 0).unwrap();
    assert!(log.iter().all(|(_, exchanged)| exchanged.method != "DELETE" && !exchanged.dry_run));
    bench.set(json!({"scopes": ["read"]})).await;
    assert_eq!(explain("DELETE", path, Value::Null).await.unwrap().status, 403, "as the client that it is");
}
