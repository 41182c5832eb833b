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
    assert_eq!(bench.found("/Staff", "employeeNumber eq \"1001\"").await, [id.as_str()]);
    assert_eq!(bench.found("/Staff", "displayName eq \"anna smith\"").await, [id.clone(), other.clone()]);
    assert_eq!(bench.found("/Staff", "startDate lt \"1970-01-01T00:00:00Z\" and active eq true").await, [id.as_str()]);
    assert!(bench.found("/Users", "externalId eq \"hr-1\"").await.is_empty(), "staff are no users");
    let path = format!("/Staff/{other}");
    let patched =
        bench.patch(&path, json!([{"op": "replace", "value": {"displayName": "Anna Jones", "manager": {"value": id}}}])).await.ok();
    assert_eq!((&patched["displayName"], &patched["manager"]["value"]), (&json!("Anna Jones"), &json!(id)));
    assert_eq!(bench.get(&format!("{path}?attributes=manager.display")).await.ok()["manager"]["display"], json!("Anna Smith"));
    assert_eq!(patched["manager"]["$ref"], json!(format!("https://h/scim/v2/Staff/{id}")));
    assert_eq!(bench.found("/Staff", &format!("manager.value eq \"{id}\"")).await, [other.as_str()]);
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

const GROUP: &str = "urn:headcount:scim:schemas:extension:1.0:Group";

/// `id level` of every membership of a group.
async fn levels(bench: &Bench, group: &str) -> Vec<String> {
    let read = bench.get(&format!("/Groups/{group}?attributes={GROUP}:memberships")).await.ok();
    let levels = read[GROUP]["memberships"].as_array().cloned().unwrap_or_default();
    levels.iter().map(|held| format!("{} {}", held["value"].as_str().unwrap(), held["level"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn g1_g6_a_group_shows_who_belongs_to_it_and_the_extension_how() {
    let bench = Bench::new().await;
    let (ann, bob, eve) = (bench.user("ann").await, bench.user("bob").await, bench.user("eve").await);
    let memberships =
        json!([{"value": ann, "level": "administrator"}, {"value": bob, "level": "viewOnly"}, {"value": eve, "level": "past"}]);
    let made = bench.call("POST", "/Groups", json!({"displayName": "team", GROUP: {"memberships": memberships}})).await;
    let team = made.id();
    assert_eq!(made.2[GROUP]["memberships"].as_array().map(Vec::len), Some(3), "who writes them is shown them");
    let path = format!("/Groups/{team}");
    let plain = bench.get(&path).await.ok();
    assert_eq!((plain["members"].as_array().map(Vec::len), plain.get(GROUP)), (Some(2), None));
    assert_eq!(levels(&bench, &team).await, [format!("{ann} administrator"), format!("{bob} viewOnly"), format!("{eve} past")]);
    let of = |person: &str, rest: &str| format!("{GROUP}:memberships[value eq \"{person}\"{rest}]");
    assert_eq!(bench.found("/Groups", &of(&ann, " and level eq \"administrator\"")).await, [team.as_str()]);
    assert!(bench.found("/Groups", &of(&bob, " and level eq \"administrator\"")).await.is_empty());
    assert_eq!(bench.found("/Groups", &of(&eve, "")).await, [team.as_str()]);
    assert_eq!(bench.found("/Groups", &format!("{GROUP}:memberships[level eq \"past\"]")).await, [team.as_str()]);
    assert!(bench.found("/Groups", &format!("members eq \"{eve}\"")).await.is_empty());
    // A client of the plain list neither raises nor lowers anybody.
    bench.call("PUT", &path, json!({"displayName": "team", "members": [{"value": ann}, {"value": bob}]})).await.ok();
    assert_eq!(levels(&bench, &team).await, [format!("{ann} administrator"), format!("{bob} viewOnly"), format!("{eve} past")]);
    let patched = bench
        .patch(
            &path,
            json!([
                {"op": "replace", "path": format!("{}.level", of(&ann, "")), "value": "full"},
                {"op": "replace", "path": format!("{GROUP}:memberships[level eq \"viewOnly\"].level"), "value": "administrator"},
                {"op": "add", "path": "members", "value": [{"value": eve}]},
            ]),
        )
        .await
        .ok();
    assert_eq!(patched[GROUP]["memberships"].as_array().map(Vec::len), Some(3));
    assert_eq!(levels(&bench, &team).await, [format!("{ann} full"), format!("{bob} administrator"), format!("{eve} full")]);
    bench
        .patch(&path, json!([{"op": "remove", "path": of(&bob, "")}, {"op": "remove", "path": "members", "value": [{"value": eve}]}]))
        .await
        .ok();
    assert_eq!(levels(&bench, &team).await, [format!("{ann} full")]);
    bench
        .patch(&path, json!([{"op": "replace", "path": format!("{}.level", of(&bob, "")), "value": "full"}]))
        .await
        .refused(400, Some("noTarget"));
    bench
        .patch(&path, json!([{"op": "replace", "path": format!("{}.value", of(&ann, "")), "value": bob}]))
        .await
        .refused(400, Some("mutability"));
    bench
        .patch(&path, json!([{"op": "replace", "path": format!("{GROUP}:adminOnly"), "value": true}]))
        .await
        .refused(400, Some("mutability"));
}

#[tokio::test]
async fn g4_groups_stand_under_others_and_never_in_a_circle() {
    let bench = Bench::new().await;
    let (top, below) = (bench.group("top", &[]).await, bench.group("below", &[]).await);
    let under = |id: &str| json!([{"op": "add", "path": format!("{GROUP}:parent"), "value": {"value": id}}]);
    let moved = bench.patch(&format!("/Groups/{below}"), under(&top)).await.ok();
    assert_eq!(moved[GROUP]["parent"], json!({"value": top, "$ref": format!("https://h/scim/v2/Groups/{top}")}));
    assert_eq!(bench.found("/Groups", &format!("{GROUP}:parent.value eq \"{top}\"")).await, [below.as_str()]);
    bench.patch(&format!("/Groups/{top}"), under(&below)).await.refused(400, Some("invalidValue"));
    bench.call("PUT", &format!("/Groups/{below}"), json!({"displayName": "low"})).await.ok();
    assert_eq!(
        bench.get(&format!("/Groups/{below}")).await.ok()[GROUP]["parent"]["value"],
        json!(top),
        "who knows nothing of it moves nothing"
    );
    let freed = bench.patch(&format!("/Groups/{below}"), json!([{"op": "remove", "path": format!("{GROUP}:parent")}])).await.ok();
    assert!(freed.get(GROUP).is_none());
}

#[tokio::test]
async fn g1_a_membership_is_a_resource_with_an_id_of_its_own() {
    let bench = Bench::new().await;
    let (ann, team, other) = (bench.user("ann").await, bench.group("team", &[]).await, bench.group("other", &[]).await);
    let body = |level: &str| json!({"group": {"value": team}, "member": {"value": ann}, "level": level});
    let made = bench.call("POST", "/Memberships", body("viewOnly")).await;
    let id = made.id();
    assert_eq!(id, format!("{team}.{ann}"));
    assert_eq!((made.0.as_u16(), made.1["location"].to_str().unwrap()), (201, format!("https://h/scim/v2/Memberships/{id}").as_str()));
    let refused = bench.call("POST", "/Memberships", body("full")).await;
    refused.refused(409, Some("uniqueness"));
    bench.call("POST", "/Memberships", body("owner")).await.refused(400, Some("invalidValue"));
    let without = json!({"group": {"value": other}, "member": {"value": ann}});
    bench.call("POST", "/Memberships", without).await.refused(400, Some("invalidValue"));
    bench
        .call("POST", "/Memberships", json!({"group": {"value": ann}, "member": {"value": ann}, "level": "full"}))
        .await
        .refused(400, Some("invalidValue"));
    let path = format!("/Memberships/{id}");
    let read = bench.get(&path).await.ok();
    assert_eq!((&read["member"]["type"], &read["level"], &read["group"]["value"]), (&json!("User"), &json!("viewOnly"), &json!(team)));
    let patched = bench.patch(&path, json!([{"op": "replace", "path": "level", "value": "administrator"}])).await.ok();
    assert_eq!(patched["level"], json!("administrator"));
    assert_ne!(patched["meta"]["version"], read["meta"]["version"]);
    let stale = read["meta"]["version"].as_str().unwrap();
    bench.send("DELETE", &format!("/scim/v2{path}"), &[("if-match", stale)], "").await.refused(412, None);
    assert_eq!(levels(&bench, &team).await, [format!("{ann} administrator")]);
    bench
        .call("PUT", &path, json!({"group": {"value": other}, "member": {"value": ann}, "level": "full"}))
        .await
        .refused(400, Some("mutability"));
    assert_eq!(bench.call("PUT", &path, body("past")).await.ok()["level"], json!("past"));
    assert!(bench.get(&format!("/Groups/{team}")).await.ok().get("members").is_none());
    assert_eq!(bench.call("DELETE", &path, Value::Null).await.0.as_u16(), 204);
    bench.get(&path).await.refused(404, None);
    bench.get("/Memberships/x.y").await.refused(404, None);
    assert!(levels(&bench, &team).await.is_empty());
}

#[tokio::test]
async fn memberships_page_through_a_group_by_index_and_by_cursor() {
    let bench = Bench::new().await;
    let mut people = Vec::new();
    for number in 0..7 {
        people.push(bench.user(&format!("u{number}")).await);
    }
    let (big, small) = (
        bench.group("big", &people.iter().map(String::as_str).collect::<Vec<_>>()).await,
        bench.group("small", &[&people[0], &people[6]]).await,
    );
    let filter: String = format!("group.value eq \"{big}\"").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let of = |list: &Value| -> Vec<String> {
        list["Resources"].as_array().unwrap().iter().map(|held| held["member"]["value"].as_str().unwrap().to_owned()).collect()
    };
    let page = bench.get(&format!("/Memberships?filter={filter}&startIndex=3&count=2")).await.ok();
    assert_eq!((&page["totalResults"], of(&page)), (&json!(7), people[2..4].to_vec()));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.get(&format!("/Memberships?filter={filter}&count=3&cursor={cursor}")).await.ok();
        assert_eq!(page["totalResults"], json!(7));
        seen.extend(of(&page));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(seen, people);
    // All of the organisation, group after group, and by index over the border between two.
    let all = bench.get("/Memberships?startIndex=6&count=3").await.ok();
    assert_eq!((&all["totalResults"], of(&all)), (&json!(9), vec![people[5].clone(), people[6].clone(), people[0].clone()]));
    assert_eq!(bench.found("/Memberships", &format!("member.value eq \"{}\"", people[6])).await.len(), 2);
    assert_eq!(bench.found("/Memberships", &format!("group.value eq \"{small}\" and member.value eq \"{}\"", people[6])).await.len(), 1);
    assert!(bench.found("/Memberships", &format!("group.value eq \"{small}\" and member.value eq \"{}\"", people[5])).await.is_empty());
    assert_eq!(bench.found("/Memberships", &format!("group.value eq \"{big}\" and level eq \"full\"")).await.len(), 7);
    assert!(bench.found("/Memberships", "level eq \"past\"").await.is_empty());
    assert!(bench.found("/Memberships", "group.value eq \"nothing\"").await.is_empty());
}
