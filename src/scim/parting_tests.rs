//! What becomes of users and groups when their client is removed: keep, convert, remove.

use super::tests::Bench;
use crate::directory::{Error, Provisioned};
use serde_json::{Value, json};

const ACME: &str = "o=acme,dc=example,dc=com";

fn dn(name: &str) -> String {
    format!("uid={name},ou=users,{ACME}")
}

/// A client with three users (one of them disabled), a group of two, one user of another client and one that is nobody's.
async fn provisioned() -> (Bench, String) {
    let mut bench = Bench::new().await;
    let (mut ids, token) = (Vec::new(), bench.token.clone());
    for (name, active) in [("ann", true), ("bob", true), ("cleo", false)] {
        let body = json!({"userName": name, "externalId": format!("x-{name}"), "active": active});
        ids.push(bench.call("POST", "/Users", body).await.id());
    }
    bench
        .call("POST", "/Groups", json!({"displayName": "team", "externalId": "t", "members": [{"value": ids[0]}, {"value": "late"}]}))
        .await
        .ok();
    bench.token = bench.other_client().await;
    bench.user("theirs").await;
    bench.token = token.clone();
    bench
        .add(&dn("local"), &[("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("uid", "local"), ("cn", "l"), ("sn", "l")])
        .await;
    (bench, ids.remove(0))
}

impl Bench {
    async fn part(&self, provisioned: Provisioned, expected: Option<usize>) -> Result<(usize, usize, Vec<String>), Error> {
        let parting = self.directory.part_with_client(&self.operator, Some(ACME), "test", provisioned, expected).await?;
        Ok((parting.converted, parting.removed, parting.left.into_iter().map(|(dn, _)| dn).collect()))
    }

    /// How many marks of clients an entry bears; `None` where it is not there.
    fn marks(&self, dn: &str) -> Option<usize> {
        let by = self.values(dn, "hcProvisionedBy")?.len();
        Some(by + self.values(dn, "hcDeletedBy")?.len() + self.values(dn, "hcExternalId")?.len())
    }
}

#[tokio::test]
async fn a_client_that_is_removed_leaves_what_it_made_as_it_is_unless_told_otherwise() {
    let (bench, ann) = provisioned().await;
    assert_eq!(bench.part(Provisioned::default(), None).await.unwrap(), (0, 0, vec![]));
    bench.get(&format!("/Users/{ann}")).await.refused(401, None);
    assert_eq!((bench.marks(&dn("ann")), bench.marks(&format!("cn=team,ou=groups,{ACME}"))), (Some(2), Some(2)));
    assert!(bench.directory.client_named(&bench.operator, Some(ACME), "test").is_err());
}

#[tokio::test]
async fn what_a_client_made_is_made_the_organisations_own() {
    let (bench, ann) = provisioned().await;
    bench.set(json!({"deletion": "deactivate"})).await;
    bench.call("DELETE", &format!("/Users/{ann}"), Value::Null).await;
    let refused = bench.part(Provisioned::Convert, Some(5)).await.unwrap_err().to_string();
    assert!(refused.contains(" 4 users"), "{refused}");
    bench.get("/Users").await.ok();
    // The containers that it made are no users, and are the organisation's too.
    let (converted, removed, left) = bench.part(Provisioned::Convert, Some(4)).await.unwrap();
    assert!(converted >= 4 && removed == 0 && left.is_empty(), "{converted}");
    for name in ["ann", "bob", "cleo"] {
        assert_eq!(bench.marks(&dn(name)), Some(0), "{name}");
    }
    assert_eq!((bench.marks(&format!("cn=team,ou=groups,{ACME}")), bench.marks(&dn("theirs"))), (Some(0), Some(1)));
    assert_eq!(bench.values(&dn("ann"), "hcActive"), Some(vec!["FALSE".to_owned()]), "who was disabled is not let in by it");
    assert_eq!(bench.values(&dn("bob"), "hcActive"), Some(vec!["TRUE".to_owned()]));
}

#[tokio::test]
async fn what_a_client_made_goes_as_its_delete_would_have_it() {
    for (deletion, is_there, kept) in [("keep", false, 3), ("delete", false, 0), ("deactivate", true, 0)] {
        let (bench, ann) = provisioned().await;
        bench.set(json!({"deletion": deletion, "deactivation_ceiling": 1, "scopes": ["read"], "dry_run": true})).await;
        for expected in [None, Some(3), Some(5)] {
            let refused = bench.part(Provisioned::Remove, expected).await.unwrap_err().to_string();
            assert!(refused.contains(" 4 users"), "{refused}");
        }
        let (_, removed, left) = bench.part(Provisioned::Remove, Some(4)).await.unwrap();
        assert_eq!((removed, left.len()), (4, 0), "{deletion}");
        assert_eq!(bench.marks(&format!("cn=team,ou=groups,{ACME}")), None);
        assert_eq!(bench.marks(&dn("ann")), is_there.then_some(0), "{deletion}");
        assert_eq!((bench.marks(&dn("theirs")), bench.marks(&dn("local"))), (Some(1), Some(0)));
        assert_eq!(bench.directory.kept_users(&bench.operator).len(), kept);
        if kept > 0 {
            assert_eq!(bench.directory.restore_user(&bench.operator, &ann).await.unwrap(), dn("ann"));
        }
        assert!(bench.directory.client_named(&bench.operator, Some(ACME), "test").is_err());
    }
}

#[tokio::test]
async fn he2_administrators_and_what_others_keep_too_stay_when_a_client_goes() {
    let (bench, _) = provisioned().await;
    bench.add(&format!("cn=admins,ou=roles,{ACME}"), &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]).await;
    bench.replace(&dn("ann"), "hcRole", &format!("cn=admins,ou=roles,{ACME}")).await.unwrap();
    bench.directory.give_to_client(&bench.operator, Some(ACME), "second", &[dn("bob")]).await.unwrap();
    let (_, removed, left) = bench.part(Provisioned::Remove, Some(4)).await.unwrap();
    assert_eq!((removed, left), (2, vec![dn("ann")]));
    assert_eq!((bench.marks(&dn("ann")), bench.marks(&dn("bob")), bench.marks(&dn("cleo"))), (Some(0), Some(1), None));
}

#[tokio::test]
async fn many_go_in_steps_and_each_is_in_the_audit_log_once() {
    let bench = Bench::new().await;
    for at in 0..130 {
        bench.user(&format!("u{at}")).await;
    }
    let (_, removed, left) = bench.part(Provisioned::Remove, Some(130)).await.unwrap();
    assert_eq!((removed, left.len(), bench.directory.kept_users(&bench.operator).len()), (130, 0, 130));
}
