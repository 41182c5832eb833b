//! What headers of requests and answers do (RFC 7644 §3, RFC 7240, RFC 9110).

use super::tests::Bench;
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn s3_1_a_client_says_whether_it_wants_the_resource_back() {
    let bench = Bench::new().await;
    let minimal = [("prefer", "return=minimal")];
    let user = json!({"userName": "ada"}).to_string();
    let made = bench.send("POST", "/scim/v2/Users", &minimal, user.clone()).await;
    assert_eq!((made.0, &made.2, &made.1["preference-applied"]), (StatusCode::CREATED, &Value::Null, &"return=minimal".parse().unwrap()));
    let path = made.1["location"].to_str().unwrap().replace("https://h", "");
    let patch = json!({"Operations": [{"op": "add", "path": "title", "value": "x"}]}).to_string();
    for (method, body) in [("PUT", &user), ("PATCH", &patch)] {
        let answer = bench.send(method, &path, &minimal, body.clone()).await;
        assert_eq!((answer.0, &answer.2), (StatusCode::NO_CONTENT, &Value::Null), "{method}");
        let read = bench.send("GET", &path, &[], Body::empty()).await;
        assert_eq!(answer.1["etag"], read.1["etag"], "{method}");
        let answer = bench.send(method, &format!("{path}?attributes=userName"), &minimal, body.clone()).await;
        assert_eq!((answer.0, answer.2["userName"].clone()), (StatusCode::OK, json!("ada")), "attributes that are asked for are answered");
        assert!(answer.2.get("title").is_none() && answer.1.get("preference-applied").is_none());
    }
    let answer = bench.send("PATCH", &path, &[("prefer", "return=representation")], patch).await;
    assert_eq!((answer.0, &answer.1["preference-applied"]), (StatusCode::OK, &"return=representation".parse().unwrap()));
}

#[tokio::test]
async fn s3_9_every_verb_answers_the_attributes_that_are_asked_for() {
    let bench = Bench::new().await;
    let made = bench.call("POST", "/Users?attributes=userName", json!({"userName": "ada", "title": "x"})).await.ok();
    assert!(made.get("title").is_none() && made["id"].is_string(), "{made}");
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let put = bench.call("PUT", &format!("{path}?excludedAttributes=userName,meta"), json!({"userName": "ada", "title": "y"})).await.ok();
    assert!(put.get("userName").is_none() && put.get("meta").is_none() && put["title"] == json!("y"), "{put}");
    let operations = json!({"Operations": [{"op": "add", "path": "title", "value": "z"}]});
    let patched = bench.call("PATCH", &format!("{path}?attributes=title"), operations).await.ok();
    assert_eq!((patched.get("userName"), &patched["title"]), (None, &json!("z")));
}

#[tokio::test]
async fn s3_12_methods_that_are_not_there_name_those_that_are() {
    let bench = Bench::new().await;
    for (path, allowed) in [
        ("/Users", "GET,HEAD,POST"),
        ("/Users/x/", "DELETE,GET,HEAD,PATCH,PUT"),
        ("/Bulk", "POST"),
        ("/Schemas", "GET,HEAD"),
        ("/ServiceProviderConfig", "GET,HEAD"),
        ("/.search", "POST"),
        ("", "GET,HEAD"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !allowed.split(',').any(|name| name == *method))
        {
            let refused = bench.send(method, &format!("/scim/v2{path}"), &[], "{}").await;
            refused.refused(405, None);
            let mut listed: Vec<&str> = refused.1["allow"].to_str().unwrap().split(',').collect();
            listed.sort_unstable();
            assert_eq!(listed.join(","), allowed, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn s3_1_media_types_and_discovery() {
    let bench = Bench::new().await;
    let user = json!({"userName": "ada"}).to_string();
    for media_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        bench.send("GET", "/scim/v2/Users", &[("accept", media_type)], Body::empty()).await.refused(406, None);
    }
    let xml = axum::http::Request::post("/scim/v2/Users").header("authorization", format!("Bearer {}", bench.token));
    let request = xml.header("content-type", "text/xml").body(Body::from(user.clone())).unwrap();
    let answer = tower::ServiceExt::oneshot(bench.router.clone(), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    bench.send("POST", "/scim/v2/Users", &[("content-encoding", "gzip")], user).await.refused(415, None);
    for accept in ["application/scim+json; charset=utf-8", "application/json", "*/*", "text/html, application/*;q=0.5"] {
        for path in ["/scim/v2/Schemas", "/scim/Schemas/", "/scim/v2/ResourceTypes", "/scim/ServiceProviderConfig"] {
            let answer = bench.send("GET", path, &[("accept", accept), ("authorization", "")], Body::empty()).await;
            assert_eq!((answer.0, &answer.1["content-type"]), (StatusCode::OK, &"application/scim+json".parse().unwrap()), "{path}");
        }
    }
    bench.send("GET", "/scim/v2/Nothing", &[], Body::empty()).await.refused(404, None);
}

/// Writers read the version and write with it: each that succeeds has changed what it read, so none overwrites another.
#[tokio::test(flavor = "multi_thread")]
async fn he7_of_writers_with_a_version_one_wins_and_the_others_are_told() {
    let bench = Arc::new(Bench::new().await);
    let path = format!("/scim/v2/Users/{}", bench.user("ada").await);
    let tasks = (0..8).map(|task| {
        let (bench, path) = (Arc::clone(&bench), path.clone());
        tokio::spawn(async move {
            let (mut won, mut lost) = (0, 0);
            for step in 0..40 {
                let read = bench.send("GET", &path, &[], Body::empty()).await;
                let count: u64 = read.2["title"].as_str().unwrap_or("0").parse().unwrap();
                let title = (count + 1).to_string();
                let (method, body) = match (task + step) % 2 {
                    0 => ("PUT", json!({"userName": "ada", "title": title})),
                    _ => ("PATCH", json!({"Operations": [{"op": "replace", "path": "title", "value": title}]})),
                };
                let tag = read.1["etag"].to_str().unwrap();
                match bench.send(method, &path, &[("if-match", tag)], body.to_string()).await.0 {
                    StatusCode::OK => won += 1,
                    StatusCode::PRECONDITION_FAILED => lost += 1,
                    other => panic!("{other}"),
                }
            }
            (won, lost)
        })
    });
    let (mut won, mut lost) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let done: (u64, u64) = task.await.unwrap();
        (won, lost) = (won + done.0, lost + done.1);
    }
    assert_eq!(won + lost, 320);
    assert_eq!(
        bench.send("GET", &path, &[], Body::empty()).await.2["title"],
        json!(won.to_string()),
        "as many changes as were acknowledged"
    );
}
