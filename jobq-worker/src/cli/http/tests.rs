use super::*;

fn job(json: &str) -> Http {
    serde_json::from_str(json).unwrap()
}

#[test]
fn what_is_not_said_is_chosen_to_fit() {
    let (method, _, headers) = job(r#"{"url":"http://a/"}"#).request().unwrap();
    assert_eq!((method, headers.len()), (Method::GET, 0));
    let (method, _, headers) = job(r#"{"url":"http://a/","body":{"a":1}}"#).request().unwrap();
    assert_eq!(method, Method::POST);
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    let text = r#"{"url":"http://a/","method":"put","body":"a","headers":{"Content-Type":"b"}}"#;
    let (method, _, headers) = job(text).request().unwrap();
    assert_eq!(method, Method::PUT);
    assert_eq!(headers[CONTENT_TYPE], "b");
    // A newline in a header could begin another one.
    let split =
        Http { headers: [("a".into(), "b\r\nc: d".into())].into(), ..Http::get("http://a/") };
    assert!(split.request().unwrap_err().contains("characters it may not have"));
}

#[test]
fn what_makes_no_sense_is_told_without_the_password() {
    for (json, why) in [
        (r#"{"url":"example.com"}"#, "\"example.com\" has no https:// in front"),
        (r#"{"url":"u:secret@example.com"}"#, "the URL has no https:// in front"),
        (r#"{"url":"http://a/","timeout_s":0}"#, "no request could end in time"),
        (r#"{"url":"http://u:secret@:80:80/"}"#, "the URL is wrong"),
        (r#"{"url":"file:///etc/passwd"}"#, "a URL of file: only http and https"),
        (r#"{"url":"http://a/","method":"a b"}"#, "\"A B\" is not a method"),
        (r#"{"url":"http://a/","headers":{"Host":"b"}}"#, "may not set the header host"),
        (r#"{"url":"http://a/","headers":{"a b":"c"}}"#, "is not the name of a header"),
    ] {
        let told = job(json).request().unwrap_err();
        assert!(told.to_lowercase().contains(&why.to_lowercase()), "{json}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    assert!(serde_json::from_str::<Http>(r#"{"url":"http://a/","methd":"GET"}"#).is_err());
}
