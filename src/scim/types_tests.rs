//! The types beside users and groups, from the outside.

use super::tests::Bench;
use serde_json::{Value, json};

const HEADCOUNT: &str = "urn:headcount:scim:schemas:extension:1.0:User";

fn staff(name: &str, number: Option<&str>) -> Value {
    let mut body = json!({"schemas": ["urn:headcount:scim:schemas:core:1.0:Staff"], "displayName": name});
    if let Some(number) = number {
        body["employeeNumber"] = number.into();
    }
    body
}

#[tokio::test]
async fn t3_staff_are_made_found_replaced_and_renamed() {
    let bench = Bench::new().await;
    let body = json!({
        "displayName": "Anna Smith", "name": {"familyName": "Smith", "givenName": "Anna"}, "externalId": "hr-1",
        "emails": [{"value": "anna@acme.example", "type": "work", "primary": true}], "employeeNumber": "1001", "title": "Clerk",
        "department": "Sales", "startDate": "1969-03-01T00:00:00Z", "endDate": "2031-12-31T12:00:00+12:00", "hasLogin": true,
    });
    let made = bench.call("POST", "/Staff", body).await;
    let id = made.id();
    assert_eq!(made.2["meta"]["location"], json!(format!("https://h/scim/v2/Staff/{id}")));
    let read = bench.get(&format!("/Staff/{id}")).await.ok();
    assert_eq!((&read["active"], &read["hasLogin"], read.get("user")), (&json!(true), &json!(false), None));
    assert_eq!((&read["startDate"], &read["endDate"]), (&json!("1969-03-01T00:00:00.000Z"), &json!("2031-12-31T00:00:00.000Z")));
    assert_eq!(read["schemas"], json!(["urn:headcount:scim:schemas:core:1.0:Staff"]));
    // Two may have one name, and not one number.
    let other = bench.call("POST", "/Staff", staff("Anna Smith", Some("1002"))).await.id();
    bench.call("POST", "/Staff", staff("Ben", Some("1001"))).await.refused(409, Some("uniqueness"));
    bench.call("POST", "/Staff", json!({"employeeNumber": "7"})).await.refused(400, Some("invalidValue"));
    assert_eq!(bench.found("/Staff", "employeeNumber eq \"1001\"").await, [id.clone()]);
    assert_eq!(bench.found("/Staff", "displayName eq \"anna smith\"").await, [id.clone(), other.clone()]);
    assert_eq!(bench.found("/Staff", "startDate lt \"1970-01-01T00:00:00Z\" and active eq true").await, [id.clone()]);
    assert!(bench.found("/Users", "externalId eq \"hr-1\"").await.is_empty(), "staff are no users");
    let path = format!("/Staff/{other}");
    let patched =
        bench.patch(&path, json!([{"op": "replace", "value": {"displayName": "Anna Jones", "manager": {"value": id}}}])).await.ok();
    assert_eq!((&patched["displayName"], &patched["manager"]["value"]), (&json!("Anna Jones"), &json!(id)));
    assert_eq!(bench.get(&format!("{path}?attributes=manager.display")).await.ok()["manager"]["display"], json!("Anna Smith"));
    assert_eq!(patched["manager"]["$ref"], json!(format!("https://h/scim/v2/Staff/{id}")));
    assert_eq!(bench.found("/Staff", &format!("manager.value eq \"{id}\"")).await, [other.clone()]);
    let replaced = bench.call("PUT", &path, staff("Anna Smith", None)).await.ok();
    assert_eq!((replaced.get("employeeNumber"), replaced.get("manager"), &replaced["displayName"]), (None, None, &json!("Anna Smith")));
    assert_eq!(bench.get(&path).await.ok(), replaced);
}

#[tokio::test]
async fn u7_a_user_and_a_staff_record_are_linked_one_to_one_from_either_side() {
    let bench = Bench::new().await;
    let (ann, bob) = (bench.user("ann").await, bench.user("bob").await);
    let mut body = staff("Anna", None);
    body["user"] = json!({"value": ann});
    let made = bench.call("POST", "/Staff", body).await.ok();
    let (anna, path) = (made["id"].as_str().unwrap(), format!("/Staff/{}", made["id"].as_str().unwrap()));
    assert_eq!((&made["hasLogin"], &made["user"]["value"]), (&json!(true), &json!(ann)));
    let user = bench.get(&format!("/Users/{ann}")).await.ok();
    assert_eq!((&user[HEADCOUNT]["staff"]["value"]), &json!(anna));
    assert!(user["schemas"].as_array().unwrap().contains(&json!(HEADCOUNT)));
    // One to one, from both sides.
    let bens = bench.call("POST", "/Staff", staff("Ben", None)).await.id();
    let link = |id: &str| json!([{"op": "replace", "path": "user", "value": {"value": id}}]);
    bench.patch(&format!("/Staff/{bens}"), link(&ann)).await.refused(409, Some("uniqueness"));
    let own = |id: &str| json!([{"op": "add", "path": format!("{HEADCOUNT}:staff"), "value": {"value": id}}]);
    bench.patch(&format!("/Users/{bob}"), own(anna)).await.refused(409, Some("uniqueness"));
    bench.patch(&format!("/Users/{bob}"), own(&ann)).await.refused(400, Some("invalidValue"));
    bench.patch(&format!("/Staff/{bens}"), link(anna)).await.refused(400, Some("invalidValue"));
    // A client that knows nothing of staff cuts no link.
    bench.call("PUT", &format!("/Users/{ann}"), json!({"userName": "ann", "title": "VP"})).await.ok();
    let before = bench.get(&path).await.ok();
    assert_eq!(before["user"]["value"], json!(ann));
    let moved = bench.patch(&path, link(&bob)).await.ok();
    assert_eq!(moved["user"]["value"], json!(bob));
    assert_ne!(moved["meta"]["version"], before["meta"]["version"]);
    assert!(bench.get(&format!("/Users/{ann}")).await.ok().get(HEADCOUNT).is_none());
    bench.patch(&format!("/Users/{bob}"), json!([{"op": "remove", "path": HEADCOUNT}])).await.ok();
    let cut = bench.get(&path).await.ok();
    assert_eq!((cut.get("user"), &cut["hasLogin"]), (None, &json!(false)));
    bench.patch(&format!("/Users/{bob}"), own(anna)).await.ok();
    assert_eq!(bench.get(&path).await.ok()["user"]["value"], json!(bob));
}

#[tokio::test]
async fn t2_staff_that_anything_refers_to_are_made_inactive_and_not_deleted() {
    let bench = Bench::new().await;
    let (ann, anna) = (bench.user("ann").await, bench.call("POST", "/Staff", staff("Anna", None)).await.id());
    let path = format!("/Staff/{anna}");
    let team = bench.group("team", &[&anna]).await;
    let members = bench.get(&format!("/Groups/{team}")).await.ok()["members"].clone();
    let expected = json!([{"value": anna, "$ref": format!("https://h/scim/v2{path}"), "type": "Staff"}]);
    assert_eq!(members, expected);
    let refused = bench.call("DELETE", &path, Value::Null).await;
    refused.refused(409, None);
    assert!(refused.2["detail"].as_str().unwrap().contains("make it inactive instead"), "{}", refused.2);
    bench.patch(&format!("/Groups/{team}"), json!([{"op": "remove", "path": "members"}])).await;
    bench.patch(&path, json!([{"op": "add", "path": "user", "value": ann}])).await.ok();
    bench.call("DELETE", &path, Value::Null).await.refused(409, None);
    let inactive = bench.patch(&path, json!([{"op": "replace", "value": {"active": "False"}}])).await.ok();
    assert_eq!((&inactive["active"], &inactive["user"]["value"]), (&json!(false), &json!(ann)));
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok()["active"], json!(true), "its user goes on");
    assert_eq!(bench.found("/Staff", "active eq false").await, [anna]);
    bench.patch(&path, json!([{"op": "replace", "path": "active", "value": true}, {"op": "remove", "path": "user"}])).await.ok();
    assert_eq!(bench.call("DELETE", &path, Value::Null).await.0.as_u16(), 204);
    bench.get(&path).await.refused(404, None);
}

#[tokio::test]
async fn a_query_of_the_base_goes_over_all_types_that_are_stored() {
    let bench = Bench::new().await;
    let (ann, anna) = (bench.user("ann").await, bench.call("POST", "/Staff", staff("Ann", None)).await.id());
    let team = bench.group("ann", &[]).await;
    assert_eq!(bench.found("/", "displayName eq \"ann\"").await, [team, anna.clone()]);
    assert_eq!(bench.found("/", "meta.resourceType eq \"Staff\"").await, [anna]);
    assert_eq!(bench.found("/", "userName eq \"ann\"").await, [ann]);
}
